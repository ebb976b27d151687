/** Numbers of OpenFlow 1.3 and 1.4 by their names in `openflow.h` of the specification, appendix A of 1.3.5 and 1.4.1. */

/** `ofp_header.version`. */
export const OFP_VERSION = { "1.3": 0x04, "1.4": 0x05 } as const;
export type OfpVersion = (typeof OFP_VERSION)[keyof typeof OFP_VERSION];

/** `enum ofp_type`. */
export const OFPT = {
  OFPT_HELLO: 0,
  OFPT_ERROR: 1,
  OFPT_ECHO_REQUEST: 2,
  OFPT_ECHO_REPLY: 3,
  OFPT_PORT_STATUS: 12,
  OFPT_FLOW_MOD: 14,
  OFPT_MULTIPART_REQUEST: 18,
  OFPT_MULTIPART_REPLY: 19,
  OFPT_BARRIER_REQUEST: 20,
  OFPT_BARRIER_REPLY: 21,
  /** Since 1.4, as the next. */
  OFPT_BUNDLE_CONTROL: 33,
  OFPT_BUNDLE_ADD_MESSAGE: 34,
} as const;

/** `enum ofp_multipart_type`, and the one flag of requests and replies. */
export const OFPMP = { OFPMP_FLOW: 1, OFPMP_PORT_DESC: 13 } as const;
export const OFPMPF_REPLY_MORE = 1;

/** `enum ofp_flow_mod_command`. */
export const OFPFC = {
  OFPFC_ADD: 0,
  OFPFC_MODIFY: 1,
  OFPFC_MODIFY_STRICT: 2,
  OFPFC_DELETE: 3,
  OFPFC_DELETE_STRICT: 4,
} as const;

/** `enum ofp_port_no`: ports that are none, of those that are used here. Numbers of ports end at OFPP_MAX. */
export const OFPP = {
  OFPP_MAX: 0xffffff00,
  OFPP_NORMAL: 0xfffffffa,
  OFPP_LOCAL: 0xfffffffe,
  OFPP_ANY: 0xffffffff,
} as const;

export const OFPTT_ALL = 0xff;
export const OFPG_ANY = 0xffffffff;
export const OFP_NO_BUFFER = 0xffffffff;

/** `enum ofp_bundle_ctrl_type` and `enum ofp_bundle_flags`. */
export const OFPBCT = {
  OFPBCT_OPEN_REQUEST: 0,
  OFPBCT_OPEN_REPLY: 1,
  OFPBCT_COMMIT_REQUEST: 4,
  OFPBCT_COMMIT_REPLY: 5,
  OFPBCT_DISCARD_REQUEST: 6,
  OFPBCT_DISCARD_REPLY: 7,
} as const;
export const OFPBF = { OFPBF_ATOMIC: 1, OFPBF_ORDERED: 2 } as const;

/** `enum ofp_port_reason`. */
export const OFPPR = { OFPPR_ADD: 0, OFPPR_DELETE: 1, OFPPR_MODIFY: 2 } as const;

/** `enum ofp_vlan_id`: set in OXM_OF_VLAN_VID for a frame that has a tag. */
export const OFPVID_PRESENT = 0x1000;
