/** Docker's ids have 64 digits and people know the first 12: `docker:0123456789ab/abcdef012345`. */
export function ownerWords(owner: string): string {
  return owner.replace(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, "$1");
}
