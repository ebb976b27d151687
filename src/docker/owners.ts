/** Owner keys of what Docker asks for. The engine only compares them. */

export function networkOwner(networkId: string): string {
  return `docker:${networkId}`;
}

export function endpointOwner(networkId: string, endpointId: string): string {
  return `docker:${networkId}/${endpointId}`;
}

/** Whether Docker gave it to us, and so can be asked about it. */
export function isDockerOwner(owner: string): boolean {
  return owner.startsWith("docker:");
}
