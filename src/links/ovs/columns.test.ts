import { expect, test } from "bun:test";
import { hasColumns } from "./columns.ts";

const ROW = {
  name: "p",
  tag: undefined,
  trunks: [20, 10],
  protected: false,
  ingress_policing_rate: 64n,
  external_ids: new Map([
    ["owner", "underlay"],
    ["network", "n"],
  ]),
};

test.each([
  {},
  { name: "p", tag: undefined },
  { trunks: [10, 20] },
  { ingress_policing_rate: 64 },
  { external_ids: { network: "n", owner: "underlay" } },
  { external_ids: new Map(ROW.external_ids) },
])("has %j", (written) => expect(hasColumns(ROW, written)).toBe(true));

test.each([
  { name: "q" },
  { tag: 0 },
  { trunks: [10] },
  { trunks: [] },
  { protected: true },
  { ingress_policing_rate: 0 },
  { external_ids: { owner: "underlay" } },
  { external_ids: { owner: "underlay", network: "m" } },
  { external_ids: {} },
  { unknown: "" },
])("has not %j", (written) => expect(hasColumns(ROW, written)).toBe(false));
