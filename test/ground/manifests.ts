import * as v from "valibot";
import { isObject } from "./cni.ts";

/**
 * Objects of Kubernetes as a guide has them, judged by the names and types of their fields where no Kubernetes is: those that the
 * guides use, of API versions apps/v1 and v1 (kubernetes.io/docs/reference) and of Multus' own. A field that is not here is a misspelt one.
 */

const Labels = v.record(v.string(), v.string());
const Metadata = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/)),
  namespace: v.optional(v.string()),
  labels: v.optional(Labels),
  annotations: v.optional(Labels),
});
const Quantities = v.strictObject({ cpu: v.string(), memory: v.string() });
const Container = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/)),
  image: v.string(),
  command: v.optional(v.array(v.string())),
  args: v.optional(v.array(v.string())),
  resources: v.optional(v.strictObject({ requests: v.optional(Quantities), limits: v.optional(Quantities) })),
  securityContext: v.optional(
    v.strictObject({
      runAsUser: v.optional(v.number()),
      allowPrivilegeEscalation: v.optional(v.boolean()),
      privileged: v.optional(v.boolean()),
    }),
  ),
  volumeMounts: v.optional(
    v.array(v.strictObject({ name: v.string(), mountPath: v.string(), readOnly: v.optional(v.boolean()) })),
  ),
});
const Volume = v.strictObject({
  name: v.string(),
  hostPath: v.strictObject({ path: v.string(), type: v.picklist(["DirectoryOrCreate", "Directory"]) }),
});
const PodSpec = v.strictObject({
  priorityClassName: v.optional(v.string()),
  tolerations: v.optional(
    v.array(v.strictObject({ key: v.optional(v.string()), operator: v.picklist(["Exists", "Equal"]) })),
  ),
  initContainers: v.optional(v.array(Container)),
  containers: v.pipe(v.array(Container), v.minLength(1)),
  terminationGracePeriodSeconds: v.optional(v.number()),
  volumes: v.optional(v.array(Volume)),
});

const DaemonSet = v.strictObject({
  apiVersion: v.literal("apps/v1"),
  kind: v.literal("DaemonSet"),
  metadata: Metadata,
  spec: v.strictObject({
    selector: v.strictObject({ matchLabels: Labels }),
    updateStrategy: v.optional(v.strictObject({ type: v.picklist(["RollingUpdate", "OnDelete"]) })),
    template: v.strictObject({ metadata: v.strictObject({ labels: Labels }), spec: PodSpec }),
  }),
});
const Pod = v.strictObject({
  apiVersion: v.literal("v1"),
  kind: v.literal("Pod"),
  metadata: Metadata,
  spec: PodSpec,
});
const Attachment = v.strictObject({
  apiVersion: v.literal("k8s.cni.cncf.io/v1"),
  kind: v.literal("NetworkAttachmentDefinition"),
  metadata: Metadata,
  spec: v.strictObject({ config: v.string() }),
});

const Manifest = v.variant("kind", [DaemonSet, Pod, Attachment]);
export type Manifest = v.InferOutput<typeof Manifest>;
export type Container = v.InferOutput<typeof Container>;

/** Throws what is wrong with it, fields that point nowhere included. */
export function readManifest(text: string): Manifest {
  const manifest = v.parse(Manifest, Bun.YAML.parse(text));
  if (manifest.kind === "DaemonSet") {
    const { selector, template } = manifest.spec;
    for (const [key, value] of Object.entries(selector.matchLabels))
      if (template.metadata.labels[key] !== value)
        throw new Error(`the selector's ${key} is not the template's`);
    requireVolumes(template.spec);
  }
  return manifest;
}

function requireVolumes({
  volumes = [],
  containers,
  initContainers = [],
}: v.InferOutput<typeof PodSpec>): void {
  const names = volumes.map(({ name }) => name);
  const mounts = [...containers, ...initContainers].flatMap(({ volumeMounts = [] }) => volumeMounts);
  for (const { name } of mounts) if (!names.includes(name)) throw new Error(`no volume is called ${name}`);
}

/** What Multus takes from a pod's annotation `k8s.v1.cni.cncf.io/networks`, in its JSON form. */
const Selections = v.array(
  v.strictObject({
    name: v.string(),
    namespace: v.optional(v.string()),
    interface: v.optional(v.string()),
    ips: v.optional(v.array(v.string())),
    mac: v.optional(v.string()),
  }),
);
export type Selection = v.InferOutput<typeof Selections>[number];

export function selectionsOf(manifest: Manifest): Selection[] {
  const text = manifest.metadata.annotations?.["k8s.v1.cni.cncf.io/networks"];
  return text === undefined ? [] : v.parse(Selections, JSON.parse(text));
}

/**
 * What Multus hands to the plugin of a definition: the definition's configuration, and of what the pod asks for the capabilities
 * that it declares (multus-cni, pkg/types and pkg/k8sclient).
 */
export function delegateConf(config: string, { ips, mac }: Selection): Record<string, unknown> {
  const conf: unknown = JSON.parse(config);
  if (!isObject(conf)) throw new Error("spec.config is no object");
  const capabilities = isObject(conf["capabilities"]) ? conf["capabilities"] : {};
  const offered = Object.entries({ ips, mac }).filter(
    ([key, value]) => value !== undefined && capabilities[key] === true,
  );
  return { ...conf, ...(offered.length > 0 && { runtimeConfig: Object.fromEntries(offered) }) };
}
