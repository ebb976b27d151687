import type { Cidr, Ip } from "../../lib/ip.ts";

/**
 * What the keys of configurations are for. The plugins' parsers say which there are and of what type; here each has its words.
 * A key without words, or words without a key, do not compile. No plugin loads this.
 */

interface Words {
  /** The type, as a reader of JSON knows it. */
  readonly is: string;
  /** When it is absent. */
  readonly absent?: string;
  readonly help: string;
}

type Scalar = string | number | boolean | Ip | Cidr | ReadonlyMap<string, unknown>;
type Item<T> = NonNullable<T> extends readonly (infer I)[] ? Item<I> : NonNullable<T>;

/** Of a value; of an object, or of lists of one, with those of its keys. */
export type Doc<T> = Item<T> extends Scalar ? Words : Words & { readonly keys: Docs<Item<T>> };

export type Docs<M> = { readonly [Key in keyof M]-?: Doc<M[Key]> };

/** The same, whatever the parser. */
export interface KeyDoc extends Words {
  readonly keys?: KeyDocs;
}

export type KeyDocs = Readonly<Record<string, KeyDoc>>;
