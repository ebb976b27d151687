/**
 * Captured by tools/capture-ovsdb.ts from ovsdb-server 3.1.0-2+deb12u1. Do not edit.
 */
export const exchanges = {
  insertBridge: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"insert","table":"Interface","uuid":"0b000000-0000-4000-8000-000000000003","row":{"name":"br0","type":"internal"},"uuid-name":"face"},{"op":"insert","table":"Port","uuid":"0b000000-0000-4000-8000-000000000002","row":{"name":"br0","interfaces":["set",[["named-uuid","face"]]],"tag":7},"uuid-name":"port"},{"op":"insert","table":"Bridge","uuid":"0b000000-0000-4000-8000-000000000001","row":{"name":"br0","datapath_type":"netdev","ports":["set",[["named-uuid","port"]]],"external_ids":["map",[["a","1"],["b","2"]]]},"uuid-name":"bridge"},{"op":"wait","table":"Open_vSwitch","where":[],"columns":[],"until":"!=","rows":[],"timeout":0},{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["set",[["named-uuid","bridge"]]]]]}],"id":1}',
    ],
    received: [
      '{"id":1,"result":[{"uuid":["uuid","0b000000-0000-4000-8000-000000000003"]},{"uuid":["uuid","0b000000-0000-4000-8000-000000000002"]},{"uuid":["uuid","0b000000-0000-4000-8000-000000000001"]},{},{"count":1}],"error":null}',
    ],
  },
  select: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"select","table":"Bridge","where":[["name","==","br0"]],"columns":["_uuid","name","ports","mirrors","fail_mode","stp_enable","external_ids"]},{"op":"select","table":"Port","where":[["tag",">=",7],["name","!=","x"]],"columns":["_uuid","tag","trunks","interfaces"]},{"op":"select","table":"Bridge","where":[["external_ids","includes",["map",[["a","2"]]]]],"columns":["_uuid"]}],"id":2}',
    ],
    received: [
      '{"id":2,"result":[{"rows":[{"stp_enable":false,"ports":["uuid","0b000000-0000-4000-8000-000000000002"],"name":"br0","fail_mode":["set",[]],"_uuid":["uuid","0b000000-0000-4000-8000-000000000001"],"external_ids":["map",[["a","1"],["b","2"]]],"mirrors":["set",[]]}]},{"rows":[{"interfaces":["uuid","0b000000-0000-4000-8000-000000000003"],"_uuid":["uuid","0b000000-0000-4000-8000-000000000002"],"trunks":["set",[]],"tag":7}]},{"rows":[]}],"error":null}',
    ],
  },
  duplicateName: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"insert","table":"Bridge","uuid":"0b000000-0000-4000-8000-000000000004","row":{"name":"br0"},"uuid-name":"bridge"},{"op":"wait","table":"Open_vSwitch","where":[],"columns":[],"until":"!=","rows":[],"timeout":0},{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["set",[["named-uuid","bridge"]]]]]}],"id":3}',
    ],
    received: [
      '{"id":3,"result":[{"uuid":["uuid","0b000000-0000-4000-8000-000000000004"]},{},{"count":1},{"details":"Transaction causes multiple rows in \\"Bridge\\" table to have identical values (br0) for index on column \\"name\\".  First row, with UUID 0b000000-0000-4000-8000-000000000001, existed in the database before this transaction and was not modified by the transaction.  Second row, with UUID 0b000000-0000-4000-8000-000000000004, was inserted by this transaction.","error":"constraint violation"}],"error":null}',
    ],
  },
  referenceToNothing: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["ports","insert",["set",[["uuid","0b000000-0000-4000-8000-000000000004"]]]]]}],"id":4}',
    ],
    received: [
      '{"id":4,"result":[{"count":1},{"details":"Table Bridge column ports row 0b000000-0000-4000-8000-000000000001 references nonexistent row 0b000000-0000-4000-8000-000000000004 in table Port.","error":"referential integrity violation"}],"error":null}',
    ],
  },
  noRow: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","no"]],"row":{"stp_enable":true}}],"id":5}',
    ],
    received: ['{"id":5,"result":[{"count":0}],"error":null}'],
  },
  noRowThatIsDemanded: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"wait","table":"Bridge","where":[["name","==","no"]],"columns":[],"until":"!=","rows":[],"timeout":0},{"op":"update","table":"Bridge","where":[["name","==","no"]],"row":{"stp_enable":true}}],"id":6}',
    ],
    received: [
      '{"id":6,"result":[{"details":"\\"where\\" clause test failed","error":"timed out"},null],"error":null}',
    ],
  },
  failedInTheMiddle: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"stp_enable":true}},{"op":"update","table":"Port","where":[["name","==","br0"]],"row":{"tag":4096}},{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"stp_enable":false}}],"id":7}',
    ],
    received: [
      '{"id":7,"result":[{"count":1},{"details":"4096 is not in the valid range 0 to 4095 (inclusive)","error":"constraint violation"},null],"error":null}',
    ],
  },
  immutable: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"name":"br1"}}],"id":8}',
    ],
    received: [
      '{"id":8,"result":[{"syntax":"{\\"op\\":\\"update\\",\\"row\\":{\\"name\\":\\"br1\\"},\\"table\\":\\"Bridge\\",\\"where\\":[[\\"name\\",\\"==\\",\\"br0\\"]]}","details":"Cannot update immutable column name in table Bridge.","error":"constraint violation"}],"error":null}',
    ],
  },
  unknownColumn: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"nonsense":true}}],"id":9}',
    ],
    received: [
      '{"id":9,"result":[{"syntax":"{\\"nonsense\\":true}","details":"No column nonsense in table Bridge.","error":"unknown column"}],"error":null}',
    ],
  },
  badNameOfARow: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"insert","table":"QoS","row":{"type":"x"},"uuid-name":"a-b"}],"id":10}',
    ],
    received: [
      '{"id":10,"result":[{"syntax":"{\\"op\\":\\"insert\\",\\"row\\":{\\"type\\":\\"x\\"},\\"table\\":\\"QoS\\",\\"uuid-name\\":\\"a-b\\"}","details":"Parsing ovsdb operation 1 of 1 failed: Type mismatch for member \'uuid-name\'.","error":"syntax error"}],"error":null}',
    ],
  },
  notOwner: {
    sent: ['{"method":"transact","params":["Open_vSwitch",{"op":"assert","lock":"nobody"}],"id":11}'],
    received: [
      '{"id":11,"result":[{"details":"Asserted lock nobody not held.","error":"not owner"}],"error":null}',
    ],
  },
  overwrite: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"wait","table":"Bridge","where":[["name","==","br0"]],"columns":[],"until":"!=","rows":[],"timeout":0},{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","delete",["set",["a"]]],["external_ids","insert",["map",[["a","3"]]]]]},{"op":"select","table":"Bridge","where":[["name","==","br0"]],"columns":["_uuid","external_ids"]}],"id":12}',
    ],
    received: [
      '{"id":12,"result":[{},{"count":1},{"rows":[{"_uuid":["uuid","0b000000-0000-4000-8000-000000000001"],"external_ids":["map",[["a","3"],["b","2"]]]}]}],"error":null}',
    ],
  },
  bigNumbers: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"wait","table":"Interface","where":[],"columns":[],"until":"!=","rows":[],"timeout":0},{"op":"update","table":"Interface","where":[],"row":{"ingress_policing_rate":9223372036854775807,"ingress_policing_burst":9007199254740993}},{"op":"select","table":"Interface","where":[],"columns":["_uuid","ingress_policing_rate","ingress_policing_burst"]}],"id":13}',
    ],
    received: [
      '{"id":13,"result":[{},{"count":1},{"rows":[{"_uuid":["uuid","0b000000-0000-4000-8000-000000000003"],"ingress_policing_burst":9007199254740993,"ingress_policing_rate":9223372036854775807}]}],"error":null}',
    ],
  },
  optionalReference: {
    sent: [
      '{"method":"transact","params":["Open_vSwitch",{"op":"insert","table":"Mirror","uuid":"0b000000-0000-4000-8000-000000000005","row":{"name":"m","output_port":["uuid","0b000000-0000-4000-8000-000000000002"]},"uuid-name":"m"},{"op":"wait","table":"Bridge","where":[["name","==","br0"]],"columns":[],"until":"!=","rows":[],"timeout":0},{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["mirrors","insert",["set",[["named-uuid","m"]]]]]},{"op":"select","table":"Mirror","where":[],"columns":["_uuid","output_port","output_vlan"]}],"id":14}',
    ],
    received: [
      '{"id":14,"result":[{"uuid":["uuid","0b000000-0000-4000-8000-000000000005"]},{},{"count":1},{"rows":[{"output_vlan":["set",[]],"_uuid":["uuid","0b000000-0000-4000-8000-000000000005"],"output_port":["uuid","0b000000-0000-4000-8000-000000000002"]}]}],"error":null}',
    ],
  },
  echo: {
    sent: ['{"method":"echo","params":["é"],"id":15}'],
    received: ['{"id":15,"result":["é"],"error":null}'],
  },
  unknownMethod: {
    sent: ['{"method":"nonsense","params":[],"id":16}'],
    received: ['{"id":16,"error":"unknown method"}'],
  },
  unknownDatabase: {
    sent: ['{"method":"transact","params":["No_such",{"op":"comment","comment":"x"}],"id":17}'],
    received: [
      '{"id":17,"error":{"syntax":"[\\"No_such\\",{\\"comment\\":\\"x\\",\\"op\\":\\"comment\\"}]","details":"transact request specifies unknown database No_such","error":"unknown database"}}',
    ],
  },
  lock: {
    sent: ['{"method":"lock","params":["mine"],"id":18}', '{"method":"unlock","params":["mine"],"id":19}'],
    received: ['{"id":18,"result":{"locked":true},"error":null}', '{"id":19,"result":{},"error":null}'],
  },
  monitorSince: {
    sent: [
      '{"method":"monitor_cond_since","params":["Open_vSwitch","m3",{"Bridge":[{"columns":["name","external_ids","flood_vlans","fail_mode"]}]},"00000000-0000-0000-0000-000000000000"],"id":20}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","insert",["map",[["c","3"]]]]]}],"id":100}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","delete",["set",["c"]]],["external_ids","insert",["map",[["c","4"]]]]]}],"id":101}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","delete",["set",["c"]]]]}],"id":102}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"flood_vlans":["set",[1,2,3]]}}],"id":103}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"flood_vlans":["set",[2,3,4]]}}],"id":104}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"flood_vlans":["set",[]]}}],"id":105}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"fail_mode":"secure"}}],"id":106}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"fail_mode":["set",[]]}}],"id":107}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"insert","table":"Bridge","uuid":"0b000000-0000-4000-8000-000000000004","uuid-name":"o","row":{"name":"br1"}},{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["set",[["named-uuid","o"]]]]]}],"id":108}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","delete",["set",[["uuid","0b000000-0000-4000-8000-000000000004"]]]]]}],"id":109}',
      '{"method":"monitor_cancel","params":["m3"],"id":21}',
    ],
    received: [
      '{"id":20,"result":[false,"00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"initial":{"external_ids":["map",[["a","3"],["b","2"]]],"name":"br0"}}}}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"external_ids":["map",[["c","3"]]]}}}}]}',
      '{"id":100,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"external_ids":["map",[["c","4"]]]}}}}]}',
      '{"id":101,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"external_ids":["map",[["c","4"]]]}}}}]}',
      '{"id":102,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"flood_vlans":["set",[1,2,3]]}}}}]}',
      '{"id":103,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"flood_vlans":["set",[1,4]]}}}}]}',
      '{"id":104,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"flood_vlans":["set",[2,3,4]]}}}}]}',
      '{"id":105,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"fail_mode":"secure"}}}}]}',
      '{"id":106,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"fail_mode":["set",[]]}}}}]}',
      '{"id":107,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000004":{"insert":{"name":"br1"}}}}]}',
      '{"id":108,"result":[{"uuid":["uuid","0b000000-0000-4000-8000-000000000004"]},{"count":1}],"error":null}',
      '{"id":null,"method":"update3","params":["m3","00000000-0000-0000-0000-000000000000",{"Bridge":{"0b000000-0000-4000-8000-000000000004":{"delete":null}}}]}',
      '{"id":109,"result":[{"count":1}],"error":null}',
      '{"id":21,"result":{},"error":null}',
    ],
  },
  monitorCond: {
    sent: [
      '{"method":"monitor_cond","params":["Open_vSwitch","m2",{"Bridge":[{"columns":["name","external_ids","flood_vlans","fail_mode"]}]}],"id":22}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","insert",["map",[["c","3"]]]]]}],"id":100}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","delete",["set",["c"]]],["external_ids","insert",["map",[["c","4"]]]]]}],"id":101}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","delete",["set",["c"]]]]}],"id":102}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"flood_vlans":["set",[1,2,3]]}}],"id":103}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"flood_vlans":["set",[2,3,4]]}}],"id":104}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"flood_vlans":["set",[]]}}],"id":105}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"fail_mode":"secure"}}],"id":106}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"fail_mode":["set",[]]}}],"id":107}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"insert","table":"Bridge","uuid":"0b000000-0000-4000-8000-000000000004","uuid-name":"o","row":{"name":"br1"}},{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["set",[["named-uuid","o"]]]]]}],"id":108}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","delete",["set",[["uuid","0b000000-0000-4000-8000-000000000004"]]]]]}],"id":109}',
      '{"method":"monitor_cancel","params":["m2"],"id":23}',
    ],
    received: [
      '{"id":22,"result":{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"initial":{"external_ids":["map",[["a","3"],["b","2"]]],"name":"br0"}}}},"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"external_ids":["map",[["c","3"]]]}}}}]}',
      '{"id":100,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"external_ids":["map",[["c","4"]]]}}}}]}',
      '{"id":101,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"external_ids":["map",[["c","4"]]]}}}}]}',
      '{"id":102,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"flood_vlans":["set",[1,2,3]]}}}}]}',
      '{"id":103,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"flood_vlans":["set",[1,4]]}}}}]}',
      '{"id":104,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"flood_vlans":["set",[2,3,4]]}}}}]}',
      '{"id":105,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"fail_mode":"secure"}}}}]}',
      '{"id":106,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"modify":{"fail_mode":["set",[]]}}}}]}',
      '{"id":107,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000004":{"insert":{"name":"br1"}}}}]}',
      '{"id":108,"result":[{"uuid":["uuid","0b000000-0000-4000-8000-000000000004"]},{"count":1}],"error":null}',
      '{"id":null,"method":"update2","params":["m2",{"Bridge":{"0b000000-0000-4000-8000-000000000004":{"delete":null}}}]}',
      '{"id":109,"result":[{"count":1}],"error":null}',
      '{"id":23,"result":{},"error":null}',
    ],
  },
  monitor: {
    sent: [
      '{"method":"monitor","params":["Open_vSwitch","m1",{"Bridge":[{"columns":["name","external_ids","flood_vlans","fail_mode"]}]}],"id":24}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","insert",["map",[["c","3"]]]]]}],"id":100}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","delete",["set",["c"]]],["external_ids","insert",["map",[["c","4"]]]]]}],"id":101}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["external_ids","delete",["set",["c"]]]]}],"id":102}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"flood_vlans":["set",[1,2,3]]}}],"id":103}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"flood_vlans":["set",[2,3,4]]}}],"id":104}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"flood_vlans":["set",[]]}}],"id":105}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"fail_mode":"secure"}}],"id":106}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{"fail_mode":["set",[]]}}],"id":107}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"insert","table":"Bridge","uuid":"0b000000-0000-4000-8000-000000000004","uuid-name":"o","row":{"name":"br1"}},{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["set",[["named-uuid","o"]]]]]}],"id":108}',
      '{"method":"transact","params":["Open_vSwitch",{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","delete",["set",[["uuid","0b000000-0000-4000-8000-000000000004"]]]]]}],"id":109}',
      '{"method":"monitor_cancel","params":["m1"],"id":25}',
    ],
    received: [
      '{"id":24,"result":{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"new":{"name":"br0","fail_mode":["set",[]],"external_ids":["map",[["a","3"],["b","2"]]],"flood_vlans":["set",[]]}}}},"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"new":{"name":"br0","fail_mode":["set",[]],"external_ids":["map",[["a","3"],["b","2"],["c","3"]]],"flood_vlans":["set",[]]},"old":{"external_ids":["map",[["a","3"],["b","2"]]]}}}}]}',
      '{"id":100,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"new":{"name":"br0","fail_mode":["set",[]],"external_ids":["map",[["a","3"],["b","2"],["c","4"]]],"flood_vlans":["set",[]]},"old":{"external_ids":["map",[["a","3"],["b","2"],["c","3"]]]}}}}]}',
      '{"id":101,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"new":{"name":"br0","fail_mode":["set",[]],"external_ids":["map",[["a","3"],["b","2"]]],"flood_vlans":["set",[]]},"old":{"external_ids":["map",[["a","3"],["b","2"],["c","4"]]]}}}}]}',
      '{"id":102,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"new":{"name":"br0","fail_mode":["set",[]],"external_ids":["map",[["a","3"],["b","2"]]],"flood_vlans":["set",[1,2,3]]},"old":{"flood_vlans":["set",[]]}}}}]}',
      '{"id":103,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"new":{"name":"br0","fail_mode":["set",[]],"external_ids":["map",[["a","3"],["b","2"]]],"flood_vlans":["set",[2,3,4]]},"old":{"flood_vlans":["set",[1,2,3]]}}}}]}',
      '{"id":104,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"new":{"name":"br0","fail_mode":["set",[]],"external_ids":["map",[["a","3"],["b","2"]]],"flood_vlans":["set",[]]},"old":{"flood_vlans":["set",[2,3,4]]}}}}]}',
      '{"id":105,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"new":{"name":"br0","fail_mode":"secure","external_ids":["map",[["a","3"],["b","2"]]],"flood_vlans":["set",[]]},"old":{"fail_mode":["set",[]]}}}}]}',
      '{"id":106,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000001":{"new":{"name":"br0","fail_mode":["set",[]],"external_ids":["map",[["a","3"],["b","2"]]],"flood_vlans":["set",[]]},"old":{"fail_mode":"secure"}}}}]}',
      '{"id":107,"result":[{"count":1}],"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000004":{"new":{"name":"br1","fail_mode":["set",[]],"external_ids":["map",[]],"flood_vlans":["set",[]]}}}}]}',
      '{"id":108,"result":[{"uuid":["uuid","0b000000-0000-4000-8000-000000000004"]},{"count":1}],"error":null}',
      '{"id":null,"method":"update","params":["m1",{"Bridge":{"0b000000-0000-4000-8000-000000000004":{"old":{"name":"br1","fail_mode":["set",[]],"external_ids":["map",[]],"flood_vlans":["set",[]]}}}}]}',
      '{"id":109,"result":[{"count":1}],"error":null}',
      '{"id":25,"result":{},"error":null}',
    ],
  },
} as const;
