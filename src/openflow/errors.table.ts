/**
 * Types and codes of OFPT_ERROR: `enum ofp_error_type` and its neighbours in the specification's `openflow.h`, 1.4.1, of which
 * 1.3.5 has the same numbers. The words are for who reads a log.
 */

/** Symbol, words. */
type Named = readonly [string, string];

interface ErrorType {
  readonly symbol: string;
  readonly words: string;
  /** By code. */
  readonly codes: readonly Named[];
}

/** By type. */
export const ERROR_TYPES: readonly ErrorType[] = [
  {
    symbol: "OFPET_HELLO_FAILED",
    words: "no common language",
    codes: [
      ["OFPHFC_INCOMPATIBLE", "no version that both speak"],
      ["OFPHFC_EPERM", "not permitted"],
    ],
  },
  {
    symbol: "OFPET_BAD_REQUEST",
    words: "the request was not understood",
    codes: [
      ["OFPBRC_BAD_VERSION", "another version than was agreed on"],
      ["OFPBRC_BAD_TYPE", "a type of message that it does not know"],
      ["OFPBRC_BAD_MULTIPART", "a type of multipart request that it does not know"],
      ["OFPBRC_BAD_EXPERIMENTER", "an extension that it does not know"],
      ["OFPBRC_BAD_EXP_TYPE", "a message of an extension that it does not know"],
      ["OFPBRC_EPERM", "not permitted"],
      ["OFPBRC_BAD_LEN", "a length that its type cannot have"],
      ["OFPBRC_BUFFER_EMPTY", "a buffer that is used up"],
      ["OFPBRC_BUFFER_UNKNOWN", "a buffer that there is not"],
      ["OFPBRC_BAD_TABLE_ID", "a table that there is not"],
      ["OFPBRC_IS_SLAVE", "a controller of second rank may only read"],
      ["OFPBRC_BAD_PORT", "a port that there is not"],
      ["OFPBRC_BAD_PACKET", "a bad frame to send"],
      ["OFPBRC_MULTIPART_BUFFER_OVERFLOW", "a multipart request that is too long"],
      ["OFPBRC_MULTIPART_REQUEST_TIMEOUT", "a multipart request that took too long"],
      ["OFPBRC_MULTIPART_REPLY_TIMEOUT", "an answer that took too long"],
    ],
  },
  {
    symbol: "OFPET_BAD_ACTION",
    words: "an action was refused",
    codes: [
      ["OFPBAC_BAD_TYPE", "a type that it does not know"],
      ["OFPBAC_BAD_LEN", "a bad length"],
      ["OFPBAC_BAD_EXPERIMENTER", "an extension that it does not know"],
      ["OFPBAC_BAD_EXP_TYPE", "an action of an extension that it does not know"],
      ["OFPBAC_BAD_OUT_PORT", "a port that it cannot send to"],
      ["OFPBAC_BAD_ARGUMENT", "a bad argument"],
      ["OFPBAC_EPERM", "not permitted"],
      ["OFPBAC_TOO_MANY", "more than it can do"],
      ["OFPBAC_BAD_QUEUE", "a queue that there is not"],
      ["OFPBAC_BAD_OUT_GROUP", "a group that there is not"],
      ["OFPBAC_MATCH_INCONSISTENT", "one that such a frame cannot undergo"],
      ["OFPBAC_UNSUPPORTED_ORDER", "an order that it cannot keep"],
      ["OFPBAC_BAD_TAG", "a tag that it does not know"],
      ["OFPBAC_BAD_SET_TYPE", "a field that it cannot set"],
      ["OFPBAC_BAD_SET_LEN", "a field of a bad length to set"],
      ["OFPBAC_BAD_SET_ARGUMENT", "a value that the field cannot have"],
    ],
  },
  {
    symbol: "OFPET_BAD_INSTRUCTION",
    words: "an instruction was refused",
    codes: [
      ["OFPBIC_UNKNOWN_INST", "one that it does not know"],
      ["OFPBIC_UNSUP_INST", "one that this table does not do"],
      ["OFPBIC_BAD_TABLE_ID", "a table that there is not, or that does not come later"],
      ["OFPBIC_UNSUP_METADATA", "a metadata value that it cannot hold"],
      ["OFPBIC_UNSUP_METADATA_MASK", "a metadata mask that it cannot hold"],
      ["OFPBIC_BAD_EXPERIMENTER", "an extension that it does not know"],
      ["OFPBIC_BAD_EXP_TYPE", "an instruction of an extension that it does not know"],
      ["OFPBIC_BAD_LEN", "a bad length"],
      ["OFPBIC_EPERM", "not permitted"],
      ["OFPBIC_DUP_INST", "one that stands there twice"],
    ],
  },
  {
    symbol: "OFPET_BAD_MATCH",
    words: "a match was refused",
    codes: [
      ["OFPBMC_BAD_TYPE", "a type that it does not know"],
      ["OFPBMC_BAD_LEN", "a bad length"],
      ["OFPBMC_BAD_TAG", "a tag that it does not know"],
      ["OFPBMC_BAD_DL_ADDR_MASK", "a MAC mask that it cannot match"],
      ["OFPBMC_BAD_NW_ADDR_MASK", "an IP mask that it cannot match"],
      ["OFPBMC_BAD_WILDCARDS", "a combination that it cannot match"],
      ["OFPBMC_BAD_FIELD", "a field that it does not know"],
      ["OFPBMC_BAD_VALUE", "a value that the field cannot have"],
      ["OFPBMC_BAD_MASK", "a mask that the field cannot have"],
      ["OFPBMC_BAD_PREREQ", "a field without the one that it presupposes"],
      ["OFPBMC_DUP_FIELD", "a field that stands there twice"],
      ["OFPBMC_EPERM", "not permitted"],
    ],
  },
  {
    symbol: "OFPET_FLOW_MOD_FAILED",
    words: "a flow was refused",
    codes: [
      ["OFPFMFC_UNKNOWN", "it does not say why"],
      ["OFPFMFC_TABLE_FULL", "the table is full"],
      ["OFPFMFC_BAD_TABLE_ID", "a table that there is not"],
      ["OFPFMFC_OVERLAP", "it overlaps another one"],
      ["OFPFMFC_EPERM", "not permitted"],
      ["OFPFMFC_BAD_TIMEOUT", "a timeout that it cannot keep"],
      ["OFPFMFC_BAD_COMMAND", "a command that it does not know"],
      ["OFPFMFC_BAD_FLAGS", "flags that it does not know"],
      ["OFPFMFC_CANT_SYNC", "the tables cannot be kept in step"],
      ["OFPFMFC_BAD_PRIORITY", "a priority that it cannot have"],
      ["OFPFMFC_IS_SYNC", "a flow that may only be read"],
    ],
  },
  { symbol: "OFPET_GROUP_MOD_FAILED", words: "a group was refused", codes: [] },
  { symbol: "OFPET_PORT_MOD_FAILED", words: "a change of a port was refused", codes: [] },
  { symbol: "OFPET_TABLE_MOD_FAILED", words: "a change of a table was refused", codes: [] },
  { symbol: "OFPET_QUEUE_OP_FAILED", words: "a change of a queue was refused", codes: [] },
  { symbol: "OFPET_SWITCH_CONFIG_FAILED", words: "a change of the switch was refused", codes: [] },
  { symbol: "OFPET_ROLE_REQUEST_FAILED", words: "a change of rank was refused", codes: [] },
  { symbol: "OFPET_METER_MOD_FAILED", words: "a meter was refused", codes: [] },
  { symbol: "OFPET_TABLE_FEATURES_FAILED", words: "features of a table were refused", codes: [] },
  { symbol: "OFPET_BAD_PROPERTY", words: "a property was refused", codes: [] },
  { symbol: "OFPET_ASYNC_CONFIG_FAILED", words: "a choice of events was refused", codes: [] },
  { symbol: "OFPET_FLOW_MONITOR_FAILED", words: "a watch on flows was refused", codes: [] },
  {
    symbol: "OFPET_BUNDLE_FAILED",
    words: "a bundle was refused",
    codes: [
      ["OFPBFC_UNKNOWN", "it does not say why"],
      ["OFPBFC_EPERM", "not permitted"],
      ["OFPBFC_BAD_ID", "one that there is not"],
      ["OFPBFC_BUNDLE_EXIST", "one that there is already"],
      ["OFPBFC_BUNDLE_CLOSED", "one that is closed"],
      ["OFPBFC_OUT_OF_BUNDLES", "too many of them"],
      ["OFPBFC_BAD_TYPE", "a step that it does not know"],
      ["OFPBFC_BAD_FLAGS", "flags that it does not know, or not those of its start"],
      ["OFPBFC_MSG_BAD_LEN", "a message of a bad length"],
      ["OFPBFC_MSG_BAD_XID", "a message of another xid"],
      ["OFPBFC_MSG_UNSUP", "a message that cannot be in one"],
      ["OFPBFC_MSG_CONFLICT", "messages that cannot be in one together"],
      ["OFPBFC_MSG_TOO_MANY", "more messages than it can hold"],
      ["OFPBFC_MSG_FAILED", "one of its messages failed"],
      ["OFPBFC_TIMEOUT", "it took too long"],
      ["OFPBFC_BUNDLE_IN_PROGRESS", "another one is under way"],
    ],
  },
];

/** Open vSwitch's own that a request of ours can meet: `ofp-errors.h`, "NX1.2+". By code. */
export const NX_ERRORS: Readonly<Record<number, Named>> = {
  2: ["NXBRC_NXM_INVALID", "a match that is not well formed"],
  3: ["NXBRC_NXM_BAD_TYPE", "a match field that it does not know"],
  4: ["NXBRC_MUST_BE_ZERO", "padding that is not zero"],
  11: ["NXBAC_MUST_BE_ZERO", "padding of an action that is not zero"],
  12: ["NXFMFC_HARDWARE", "the hardware failed"],
  13: ["NXFMFC_BAD_TABLE_ID", "a table that there is not"],
  22: ["OFPBFC_BAD_VERSION", "a message of another version than its bundle"],
};
