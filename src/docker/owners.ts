/** Owner keys of what Docker asks for. The engine only compares them. */

export function networkOwner(networkId: string): string {
  return `docker:${networkId}`;
}

export function endpointOwner(networkId: string, endpointId: string): string {
  return `docker:${networkId}/${endpointId}`;
}
