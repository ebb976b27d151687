import type { BootFacts, DockerFacts, DriverFacts, HostFacts } from "../lib/host-facts.ts";
import type { Condition, Fix, Judgement, Subject } from "./condition.ts";

/** Whether Docker finds the driver: now, by the right name, and after the next boot. */

const STATE_WORDS: Readonly<Record<DriverFacts["state"], string>> = {
  served: "is served",
  stale: "is there, and nobody listens",
  absent: "is not there",
  "out of reach": "is out of reach for this user",
};

const unserved: Condition = {
  id: "UL-R01",
  title: "Docker does not find the driver",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "Docker finds a driver by a socket of its name in /run/docker/plugins, else by a spec file. Without either it " +
    'answers "plugin not found", and containers on networks of the driver do not start. The daemon makes the socket ' +
    "when it can serve and takes it away when it ends.",
  judgeHost({ docker, boot }) {
    const unreadable = docker.drivers.find(({ state }) => state === "out of reach");
    if (unreadable !== undefined) return { skipped: `${unreadable.socket} may not be opened: run as root` };
    return docker.drivers.flatMap((driver) => notFound(docker, driver, boot));
  },
};

const INSTALL: Fix = {
  say: "install the service, which starts now and at every boot, before dockerd",
  run: "underlay install",
};

/** A service is started by who manages it; without one, by hand. */
function waysToStart(boot: HostFacts["boot"]): Fix[] {
  if ("unread" in boot) return [{ say: "start the daemon, as root", run: "underlay daemon" }];
  if (boot.known.unit === undefined) {
    return [INSTALL, { say: "or start the daemon by hand, as root", run: "underlay daemon" }];
  }
  return [
    { say: "start the service", run: "systemctl start underlay.service" },
    { say: "why it ended", run: "journalctl -u underlay.service -n 50" },
  ];
}

function notFound(docker: DockerFacts, driver: DriverFacts, boot: HostFacts["boot"]): Judgement[] {
  const evidence = [
    { source: driver.socket, value: STATE_WORDS[driver.state] },
    ...(driver.spec === undefined ? [] : [{ source: driver.spec, value: "a spec file of that name" }]),
  ];
  const subject: Subject = { kind: "host", name: driver.name };
  if (driver.state === "served") return [];
  return [
    {
      subject,
      // Nobody waits for a driver that was never used.
      severity: docker.networks > 0 ? "fail" : "warn",
      message: `Docker does not find ${driver.name}: its daemon is not running`,
      evidence,
      fix: [
        ...waysToStart(boot),
        ...(driver.spec === undefined
          ? []
          : [
              {
                say: "and delete the spec file, unless it is meant: Docker uses it while there is no socket",
              },
            ]),
      ],
    },
  ];
}

const managedPlugin: Condition = {
  id: "UL-R02",
  title: "a managed plugin has another driver name",
  severity: "warn",
  refuses: false,
  confidence: "certain",
  explain:
    "A plugin that was installed by `docker plugin install` is a driver under its full name with its tag; Docker " +
    'looks for any other name in a registry and says "could not resolve driver". One that is disabled is no driver.',
  judgeHost({ docker: { dockerd, socket } }) {
    if ("unread" in dockerd) return { skipped: dockerd.unread };
    return dockerd.known.plugins.map(({ name, enabled }) => ({
      subject: { kind: "host" as const, name },
      severity: enabled ? "info" : "warn",
      message: enabled
        ? `the managed plugin ${name} is a driver only under its full name`
        : `the managed plugin ${name} is installed and disabled`,
      evidence: [
        { source: `GET /plugins at ${socket}`, value: `${name}, ${enabled ? "enabled" : "disabled"}` },
      ],
      fix: enabled
        ? [{ say: `write -d ${name}, with the tag` }]
        : [{ say: "enable it", run: `docker plugin enable ${name}` }],
    }));
  },
};

const lateStart: Condition = {
  id: "UL-R03",
  title: "after a boot dockerd starts without the driver",
  severity: "warn",
  refuses: false,
  confidence: "likely",
  explain:
    "When dockerd starts before its driver, it waits for it, network by network, and containers that restart by " +
    "themselves may stay down. A unit with Before=docker.service that tells when it is ready keeps the order.",
  judgeHost({ boot, docker }) {
    if ("unread" in boot) return { skipped: boot.unread };
    if ("unread" in docker.dockerd && docker.networks === 0) return { skipped: docker.dockerd.unread };
    const problem = lateBecause(boot.known);
    if (problem === undefined) return [];
    return [
      {
        subject: { kind: "host" as const, name: "underlay.service" },
        message: `after the next boot dockerd starts without the driver: ${problem}`,
        evidence: [{ source: boot.known.unit?.path ?? "systemd's folders of units", value: problem }],
        fix: [
          boot.known.unit === undefined
            ? INSTALL
            : boot.known.unit.enabled
              ? {
                  say: `move ${boot.known.unit.path} away, which is not ours as it stands; this writes ours`,
                  run: "underlay install",
                }
              : { say: "enable the unit", run: "systemctl enable --now underlay.service" },
        ],
      },
    ];
  },
};

function lateBecause({ unit }: BootFacts): string | undefined {
  if (unit === undefined) return "no unit starts it";
  if (!unit.enabled) return "its unit is not enabled";
  return unit.beforeDocker ? undefined : "its unit is not ordered before docker.service";
}

export const RUNTIME_CONDITIONS: readonly Condition[] = [unserved, managedPlugin, lateStart];
