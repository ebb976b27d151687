import { CONFIG_DIR } from "../../daemon/config.ts";
import { envOf, flagOf, SETTING_KEYS, SETTINGS } from "../../daemon/settings.ts";
import { DRIVERS } from "../../docker/drivers.ts";
import { flagsOf } from "../flags.ts";
import type { Verb } from "../verb.ts";
import { doctorPage } from "./doctor.ts";
import { bold, italic, item, line, page, paragraph, section, verbatim } from "./roff.ts";
import { exitItems, flagItem, sentence, verbText } from "./verb.ts";

/** The manual pages, of the same tables as the help and the program itself: name of the file to its text. */
export function manPages(verbs: readonly Verb[], version: string): Readonly<Record<string, string>> {
  const doctor = verbs.filter(({ words }) => words === "doctor");
  return {
    "underlay.8": underlay(verbs, version),
    ...Object.fromEntries(doctor.map((verb) => ["underlay-doctor.8", doctorPage(verb, version)])),
    "underlay.toml.5": toml(version),
  };
}

function underlay(verbs: readonly Verb[], version: string): string {
  return page(
    { name: "underlay", part: 8, version, about: "containers directly on the networks of this host" },
    section(
      "SYNOPSIS",
      line(`${bold("underlay")} [${italic("NOUN")}] ${italic("VERB")} [${italic("FLAG")} ...]`),
    ),
    section(
      "DESCRIPTION",
      paragraph(
        "Underlay attaches containers directly to the networks that the host is on. Docker reaches it as the " +
          "network drivers underlay-macvlan, underlay-ipvlan and underlay-ovs; networks are made and removed by Docker:",
      ),
      verbatim([
        "docker network create -d underlay-macvlan -o parent=eth0 \\",
        "    --subnet 192.168.1.0/24 --gateway 192.168.1.1 lan",
      ]),
      paragraph(
        "Container runtimes without Docker start it as CNI plugins, for which no daemon runs: underlay cni install puts " +
          "them in place, and underlay cni check tells what a configuration would do.",
      ),
      paragraph("All data goes to standard output, everything else to standard error."),
    ),
    section("VERBS", ...verbs.map(verbText)),
    section("FLAGS OF EVERY VERB", ...flagsOf({}).map(flagItem)),
    section("EXIT STATUS", ...exitItems()),
    section(
      "ENVIRONMENT",
      paragraph("Every setting has a variable too; underlay.toml(5) names them. Besides:"),
      item(bold("UNDERLAY_CONFIG"), "a file of settings to read instead of the usual ones"),
      item(bold("NO_COLOR"), "when not empty, no colours"),
    ),
    section(
      "FILES",
      item(italic(`${CONFIG_DIR}/underlay.toml`), "settings, see underlay.toml(5)"),
      item(
        italic(`${SETTINGS.state_dir.fallback}/underlay.db`),
        "what is remembered of networks and endpoints",
      ),
      item(italic(`${SETTINGS.run_dir.fallback}/underlay.sock`), "where the daemon answers the other verbs"),
      ...DRIVERS.map(({ name }) =>
        item(italic(`${SETTINGS.plugin_dir.fallback}/${name}.sock`), "where Docker finds the driver"),
      ),
    ),
    section(
      "SEE ALSO",
      line(
        `${bold("underlay-doctor")}(8), ${bold("underlay.toml")}(5), ${bold("docker-network-create")}(1), ${bold("ip-link")}(8)`,
      ),
    ),
  );
}

function toml(version: string): string {
  const settings = SETTING_KEYS.map((key) => {
    const { takes, help, fallback } = SETTINGS[key];
    const default_ = fallback === undefined ? "Not set unless told" : `Default: ${fallback}`;
    return item(
      `${bold(key)} = "${italic(takes)}"`,
      `${sentence(help)} ${default_}. Flag ${flagOf(key)}, variable ${envOf(key)}.`,
    );
  });
  return page(
    { name: "underlay.toml", part: 5, version, about: "settings of the Underlay daemon" },
    section(
      "SYNOPSIS",
      line(italic(`${CONFIG_DIR}/underlay.toml`)),
      ".br\n",
      line(italic(`${CONFIG_DIR}/conf.d/*.toml`)),
    ),
    section(
      "DESCRIPTION",
      paragraph(
        "Settings of the daemon in TOML, all optional. The files of conf.d are read after underlay.toml in the order " +
          "of their names; the last one that says a key wins. Flags win over variables of the environment, those " +
          "over files. A key that is not known is an error that names its line.",
      ),
      line(`${bold("underlay config show --origin")} tells each value and where it comes from.`),
    ),
    section("SETTINGS", ...settings),
    section(
      "EXAMPLE",
      verbatim(['log_level = "warn"', "", "[macvlan]", 'parent = "eth0"'].map((each) => each || " ")),
    ),
    section("SEE ALSO", line(`${bold("underlay")}(8)`)),
  );
}
