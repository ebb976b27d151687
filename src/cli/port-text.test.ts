import { expect, test } from "bun:test";
import { endpointBody } from "../daemon/endpoint-json.ts";
import { endpointView } from "../engine/views.ts";
import { portsText } from "./port-text.ts";

const record = {
  owner: "docker:n1/e1",
  network: "docker:n1",
  state: "provisioned",
  addresses: ["10.1.0.2/24", "fd00:1::2/64"],
  macChosenByUser: false,
  publishes: [],
  bootId: "boot",
  createdAt: "2024-05-01T00:00:00.000Z",
} as const;

test("published ports are shown as Docker writes them, of a record that says no address too", () => {
  const port = { protocol: "tcp", hostPort: 8080, containerPort: 80 } as const;
  const published = [
    { ...port, containerAddress: "10.1.0.2" },
    { ...port, hostAddress: "::", containerAddress: "fd00:1::2" },
    {
      ...port,
      hostAddress: "127.0.0.1",
      hostPort: 53,
      protocol: "udp",
      containerAddress: "10.1.0.2",
    } as const,
  ];
  const { ports } = endpointBody(endpointView({ ...record, published }));
  expect(portsText(ports)).toBe("0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 127.0.0.1:53->80/udp");
  expect(ports[0]).toEqual({
    protocol: "tcp",
    host_address: "0.0.0.0",
    host_port: 8080,
    container_address: "10.1.0.2",
    container_port: 80,
  });
  const many = Array.from({ length: 9 }, (_, i) => ({ ...port, hostPort: i, containerAddress: "10.1.0.2" }));
  expect(portsText(endpointBody(endpointView({ ...record, published: many })).ports)).toEndWith(
    "0.0.0.0:5->80/tcp, 3 more",
  );
  expect(endpointBody(endpointView(record)).ports).toEqual([]);
});
