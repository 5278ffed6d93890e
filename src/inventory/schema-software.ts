// What is installed: the `kubernetes` and `containerd` sections.
import * as z from 'zod';
import { checkPodSubnet, checkServiceSubnet } from './addresses.ts';
import { checkEndpoint } from './names.ts';
import { defaults } from './profiles.ts';
import { checkComponent, checkKey, checkPackage, checkSuite, checkUrl } from './repositories.ts';
import { registries } from './schema-network.ts';
import { text } from './schema-text.ts';
import { checkContainerdVersion, checkKubernetesVersion } from './versions.ts';

const free = (description: string) => z.record(z.string(), z.unknown()).default({}).meta({ description });

const repository = (description: string) =>
  z
    .strictObject({
      url: text(checkUrl, {
        description: 'Address of the apt repository',
        examples: ['https://pkgs.k8s.io/core:/stable:/v1.31/deb/'],
      }),
      suite: text(checkSuite, { description: 'Suite; / for a flat repository', examples: ['/', 'bookworm'] }).default(
        '/',
      ),
      components: z
        .array(text(checkComponent, { description: 'A component', examples: ['stable'] }))
        .default([])
        .meta({ description: 'Components; none in a flat repository' }),
      pin: z
        .array(text(checkPackage, { description: 'A package', examples: ['containerd'] }))
        .default([])
        .meta({ description: 'Packages that may come from it, the rest is pinned away; none: no pin' }),
      key: text(checkKey, {
        description: 'Signing key: an https address, a file (relative to the inventory), or none to trust it unsigned',
        examples: ['https://pkgs.k8s.io/core:/stable:/v1.31/deb/Release.key', 'keys/kubernetes.asc', 'none'],
      }),
    })
    .meta({ description });

export const kubernetes = z
  .strictObject({
    version: text(checkKubernetesVersion, {
      description: 'Kubernetes version, in quotes, with its v; the profile gives it when it is not here',
      examples: ['v1.31.13'],
      pattern: '^v1\\.[0-9]+\\.[0-9]+$',
    }).optional(),
    endpoint: text(checkEndpoint, {
      description:
        'Name or IPv4 address the API server is reached by, without a port. Fixed at init: a name lets it move later',
      examples: ['k8s-api.home.arpa'],
    }).optional(),
    certSANs: z
      .array(text(checkEndpoint, { description: 'A name or IPv4 address', examples: ['k8s.example.org'] }))
      .default([])
      .meta({
        description:
          "More names and addresses for the API server's certificate; the endpoint's and the control planes' are in it. Fixed at init",
      }),
    podSubnet: text(checkPodSubnet, {
      description: 'Addresses of pods; every machine takes a /24 of it. Fixed at init',
      examples: [defaults.podSubnet],
    }).default(defaults.podSubnet),
    serviceSubnet: text(checkServiceSubnet, {
      description: 'Addresses of services. Fixed at init',
      examples: [defaults.serviceSubnet],
    }).default(defaults.serviceSubnet),
    kubeProxy: z.boolean().default(true).meta({ description: 'Whether kube-proxy runs. Fixed at init' }),
    repository: repository(
      "Where kubeadm, kubelet and kubectl come from; default: the Kubernetes project's own",
    ).optional(),
    kubeletConfig: free('Merged into the KubeletConfiguration document'),
    proxyConfig: free('Merged into the KubeProxyConfiguration document'),
  })
  .meta({ description: 'Kubernetes itself' });

export const containerd = z
  .strictObject({
    version: text(checkContainerdVersion, {
      description: 'containerd version, in quotes, without a v; the profile gives it when it is not here',
      examples: ['2.1.5'],
      pattern: '^[0-9]+\\.[0-9]+\\.[0-9]+$',
    }).optional(),
    package: text(checkPackage, {
      description: "Debian package: containerd.io (Docker's) or containerd (the distribution's)",
      examples: ['containerd.io'],
    }).default(defaults.containerdPackage),
    repository: repository(
      "Where containerd comes from; default: Docker's repository for containerd.io, else the machine's own repositories",
    ).optional(),
    config: free('Merged into the generated config.toml'),
    registries,
  })
  .meta({ description: 'The container runtime' });
