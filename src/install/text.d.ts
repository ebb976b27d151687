/** Files that are built in as text. */
declare module "*.service" {
  const text: string;
  export = text;
}
declare module "*.conf" {
  const text: string;
  export = text;
}
declare module "*.rules" {
  const text: string;
  export = text;
}
declare module "*.network" {
  const text: string;
  export = text;
}
declare module "*.link" {
  const text: string;
  export = text;
}
