/**
 * What is asked of an ovsdb-server, as text by hand from RFC 7047 and ovsdb-server(7). The cases run one after another
 * over one connection, so each finds what those before it have left. Rows are given their UUIDs (`uuid`, ovsdb-server(7)).
 */
export interface OvsdbCase {
  readonly name: string;
  /** Sent one by one, each when the one before is answered. */
  readonly requests: readonly string[];
}

const request = (id: number, method: string, ...params: string[]) =>
  `{"method":"${method}","params":[${params.join(",")}],"id":${id}}`;
const transact = (id: number, ...operations: string[]) =>
  request(id, "transact", '"Open_vSwitch"', ...operations);

const BRIDGE = "0b000000-0000-4000-8000-000000000001";
const PORT = "0b000000-0000-4000-8000-000000000002";
const FACE = "0b000000-0000-4000-8000-000000000003";
const OTHER = "0b000000-0000-4000-8000-000000000004";
const MIRROR = "0b000000-0000-4000-8000-000000000005";
const BR0 = '[["name","==","br0"]]';

const WATCHED = '{"Bridge":[{"columns":["name","external_ids","flood_vlans","fail_mode"]}]}';
/** Each change of them must come as one notification. */
const CHANGES = [
  '{"op":"mutate","table":"Bridge","where":WHERE,"mutations":[["external_ids","insert",["map",[["c","3"]]]]]}',
  '{"op":"mutate","table":"Bridge","where":WHERE,"mutations":[["external_ids","delete",["set",["c"]]],["external_ids","insert",["map",[["c","4"]]]]]}',
  '{"op":"mutate","table":"Bridge","where":WHERE,"mutations":[["external_ids","delete",["set",["c"]]]]}',
  '{"op":"update","table":"Bridge","where":WHERE,"row":{"flood_vlans":["set",[1,2,3]]}}',
  '{"op":"update","table":"Bridge","where":WHERE,"row":{"flood_vlans":["set",[2,3,4]]}}',
  '{"op":"update","table":"Bridge","where":WHERE,"row":{"flood_vlans":["set",[]]}}',
  '{"op":"update","table":"Bridge","where":WHERE,"row":{"fail_mode":"secure"}}',
  '{"op":"update","table":"Bridge","where":WHERE,"row":{"fail_mode":["set",[]]}}',
  `{"op":"insert","table":"Bridge","uuid":"${OTHER}","uuid-name":"o","row":{"name":"br1"}},{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["set",[["named-uuid","o"]]]]]}`,
  `{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","delete",["set",[["uuid","${OTHER}"]]]]]}`,
].map((operations, i) => transact(100 + i, operations.replace("WHERE", BR0)));

export const OVSDB_CASES: readonly OvsdbCase[] = [
  {
    name: "insertBridge",
    requests: [
      transact(
        1,
        `{"op":"insert","table":"Interface","uuid":"${FACE}","row":{"name":"br0","type":"internal"},"uuid-name":"face"}`,
        `{"op":"insert","table":"Port","uuid":"${PORT}","row":{"name":"br0","interfaces":["set",[["named-uuid","face"]]],"tag":7},"uuid-name":"port"}`,
        `{"op":"insert","table":"Bridge","uuid":"${BRIDGE}","row":{"name":"br0","datapath_type":"netdev","ports":["set",[["named-uuid","port"]]],"external_ids":["map",[["a","1"],["b","2"]]]},"uuid-name":"bridge"}`,
        '{"op":"wait","table":"Open_vSwitch","where":[],"columns":[],"until":"!=","rows":[],"timeout":0}',
        '{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["set",[["named-uuid","bridge"]]]]]}',
      ),
    ],
  },
  {
    name: "select",
    requests: [
      transact(
        2,
        '{"op":"select","table":"Bridge","where":[["name","==","br0"]],"columns":["_uuid","name","ports","mirrors","fail_mode","stp_enable","external_ids"]}',
        '{"op":"select","table":"Port","where":[["tag",">=",7],["name","!=","x"]],"columns":["_uuid","tag","trunks","interfaces"]}',
        '{"op":"select","table":"Bridge","where":[["external_ids","includes",["map",[["a","2"]]]]],"columns":["_uuid"]}',
      ),
    ],
  },
  {
    name: "duplicateName",
    requests: [
      transact(
        3,
        `{"op":"insert","table":"Bridge","uuid":"${OTHER}","row":{"name":"br0"},"uuid-name":"bridge"}`,
        '{"op":"wait","table":"Open_vSwitch","where":[],"columns":[],"until":"!=","rows":[],"timeout":0}',
        '{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["set",[["named-uuid","bridge"]]]]]}',
      ),
    ],
  },
  {
    name: "referenceToNothing",
    requests: [
      transact(
        4,
        `{"op":"mutate","table":"Bridge","where":${BR0},"mutations":[["ports","insert",["set",[["uuid","${OTHER}"]]]]]}`,
      ),
    ],
  },
  {
    name: "noRow",
    requests: [
      transact(5, '{"op":"update","table":"Bridge","where":[["name","==","no"]],"row":{"stp_enable":true}}'),
    ],
  },
  {
    name: "noRowThatIsDemanded",
    requests: [
      transact(
        6,
        '{"op":"wait","table":"Bridge","where":[["name","==","no"]],"columns":[],"until":"!=","rows":[],"timeout":0}',
        '{"op":"update","table":"Bridge","where":[["name","==","no"]],"row":{"stp_enable":true}}',
      ),
    ],
  },
  {
    name: "failedInTheMiddle",
    requests: [
      transact(
        7,
        `{"op":"update","table":"Bridge","where":${BR0},"row":{"stp_enable":true}}`,
        `{"op":"update","table":"Port","where":${BR0},"row":{"tag":4096}}`,
        `{"op":"update","table":"Bridge","where":${BR0},"row":{"stp_enable":false}}`,
      ),
    ],
  },
  {
    name: "immutable",
    requests: [transact(8, `{"op":"update","table":"Bridge","where":${BR0},"row":{"name":"br1"}}`)],
  },
  {
    name: "unknownColumn",
    requests: [transact(9, `{"op":"update","table":"Bridge","where":${BR0},"row":{"nonsense":true}}`)],
  },
  {
    name: "badNameOfARow",
    requests: [transact(10, '{"op":"insert","table":"QoS","row":{"type":"x"},"uuid-name":"a-b"}')],
  },
  {
    name: "notOwner",
    requests: [transact(11, '{"op":"assert","lock":"nobody"}')],
  },
  {
    name: "overwrite",
    requests: [
      transact(
        12,
        `{"op":"wait","table":"Bridge","where":${BR0},"columns":[],"until":"!=","rows":[],"timeout":0}`,
        `{"op":"mutate","table":"Bridge","where":${BR0},"mutations":[["external_ids","delete",["set",["a"]]],["external_ids","insert",["map",[["a","3"]]]]]}`,
        `{"op":"select","table":"Bridge","where":${BR0},"columns":["_uuid","external_ids"]}`,
      ),
    ],
  },
  {
    name: "bigNumbers",
    requests: [
      transact(
        13,
        '{"op":"wait","table":"Interface","where":[],"columns":[],"until":"!=","rows":[],"timeout":0}',
        '{"op":"update","table":"Interface","where":[],"row":{"ingress_policing_rate":9223372036854775807,"ingress_policing_burst":9007199254740993}}',
        '{"op":"select","table":"Interface","where":[],"columns":["_uuid","ingress_policing_rate","ingress_policing_burst"]}',
      ),
    ],
  },
  {
    name: "optionalReference",
    requests: [
      transact(
        14,
        `{"op":"insert","table":"Mirror","uuid":"${MIRROR}","row":{"name":"m","output_port":["uuid","${PORT}"]},"uuid-name":"m"}`,
        `{"op":"wait","table":"Bridge","where":${BR0},"columns":[],"until":"!=","rows":[],"timeout":0}`,
        `{"op":"mutate","table":"Bridge","where":${BR0},"mutations":[["mirrors","insert",["set",[["named-uuid","m"]]]]]}`,
        '{"op":"select","table":"Mirror","where":[],"columns":["_uuid","output_port","output_vlan"]}',
      ),
    ],
  },
  { name: "echo", requests: [request(15, "echo", '"é"')] },
  { name: "unknownMethod", requests: [request(16, "nonsense")] },
  {
    name: "unknownDatabase",
    requests: [request(17, "transact", '"No_such"', '{"op":"comment","comment":"x"}')],
  },
  { name: "lock", requests: [request(18, "lock", '"mine"'), request(19, "unlock", '"mine"')] },
  {
    name: "monitorSince",
    requests: [
      request(
        20,
        "monitor_cond_since",
        '"Open_vSwitch"',
        '"m3"',
        WATCHED,
        '"00000000-0000-0000-0000-000000000000"',
      ),
      ...CHANGES,
      request(21, "monitor_cancel", '"m3"'),
    ],
  },
  {
    name: "monitorCond",
    requests: [
      request(22, "monitor_cond", '"Open_vSwitch"', '"m2"', WATCHED),
      ...CHANGES,
      request(23, "monitor_cancel", '"m2"'),
    ],
  },
  {
    name: "monitor",
    requests: [
      request(24, "monitor", '"Open_vSwitch"', '"m1"', WATCHED),
      ...CHANGES,
      request(25, "monitor_cancel", '"m1"'),
    ],
  },
];
