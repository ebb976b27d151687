/** What is thrown when an index contradicts itself. It is thrown away then, and made from the files. */
export class DamagedIndex extends Error {
  override readonly name = "DamagedIndex";

  constructor() {
    super("the index of a host-local directory contradicts itself");
  }
}
