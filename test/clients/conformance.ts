/**
 * What Moby tests of the drivers that ours take the place of, by the names of its tests, and the file of ours in which a
 * test has that meaning. Its title begins with the name, or with several: `Subinterface, OverlapKeepExistingParent: …`.
 * test/architecture/conformance.test.ts holds the list whole.
 */
export const CONFORMANCE: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "integration/network/macvlan": {
    Subinterface: ["test/lab/60-parents.test.ts"],
    OverlapParent: ["test/lab/60-parents.test.ts"],
    OverlapParentPassthruFirst: ["test/clients/refusals.test.ts"],
    OverlapParentPassthruSecond: ["test/clients/refusals.test.ts"],
    OverlapDeleteCreatedSecond: ["test/lab/60-parents.test.ts"],
    OverlapKeepExistingParent: ["test/lab/60-parents.test.ts"],
    InternalMode: ["test/clients/walkthrough.test.ts"],
    MultiSubnetWithParent: ["test/clients/walkthrough.test.ts"],
    Addressing: ["test/clients/conformance-macvlan.test.ts"],
    TestMacvlanIPAM: ["test/clients/conformance-macvlan.test.ts"],
    TestMacvlanIPAMOverlap: ["test/clients/conformance-macvlan.test.ts"],
    TestMACVlanDNS: ["test/clients/conformance-macvlan.test.ts"],
    TestEndpointWithCustomIfname: ["test/clients/conformance-macvlan.test.ts"],
    TestParentDown: ["test/clients/conformance-macvlan.test.ts"],
  },
  "integration/network/ipvlan": {
    Subinterface: ["test/lab/60-parents.test.ts"],
    OverlapParent: ["test/lab/50-ipvlan.test.ts"],
  },
  "integration/networking, integration/network, integration-cli": {
    TestCreateWithPriority: ["test/clients/conformance-related.test.ts"],
    TestConnectWithPriority: ["test/clients/conformance-related.test.ts"],
    TestCustomIfnameIsPreservedOnLiveRestore: ["test/clients/conformance-related.test.ts"],
    TestCustomIfnameCollidesWithExistingIface: ["test/clients/conformance-related.test.ts"],
    TestCustomIfnameWithMatchingDynamicPrefix: ["test/clients/conformance-related.test.ts"],
    DriverOptions: ["test/clients/wire.test.ts"],
    CustomIPAM: ["test/clients/conformance-related.test.ts"],
    IPAMOptions: ["test/clients/conformance-related.test.ts"],
    NullIPAMDriver: ["test/clients/walkthrough.test.ts"],
    IPAMMultipleNetworks: ["test/clients/conformance-related.test.ts"],
    MacInspect: ["test/clients/walkthrough.test.ts"],
    DriverUngracefulRestart: ["test/clients/survival-dockerd.test.ts"],
    PluginV2NetworkDriver: ["test/clients/conformance-related.test.ts"],
    ConnectPreferredIP: ["test/clients/conformance-related.test.ts"],
    UnsupportedRequiredIP: ["test/clients/conformance-related.test.ts"],
    ConnectLinkLocalIP: ["test/clients/conformance-related.test.ts"],
  },
};
