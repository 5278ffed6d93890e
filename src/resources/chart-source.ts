// Where Helm finds a layer's chart, as sh and in what goes wrong on the way: the bundle's file, a repository, a registry, a project's sources.
import type { BundleEntry } from '../model/bundle.ts';
import { type Chart, chartRepository } from '../model/layers.ts';
import type { RemoteAction } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { uploadOf } from './packages.ts';

type Explained = NonNullable<RemoteAction['explain']>;

/** A folder a registry, with hosts.toml and perhaps ca.crt: phase `containerd` writes what the inventory says. */
export const registriesFolder = '/etc/containerd/certs.d';

/** Leaves the chart, with the flags that it is found by, as the positional parameters. */
export function chartScript(chart: Chart, file: BundleEntry | undefined): string {
  if (file) return `${command('set', '--', uploadOf(file).remotePath)}\n`;
  const { name, version, source } = chart;
  switch (source.kind) {
    case 'repository':
      return `${command('set', '--', name, '--repo', source.url, '--version', version)}\n`;
    case 'oci':
      return `${asContainerd(chart, source.url)}${pullScript(chart, source.url)}`;
    case 'archive':
      return sourcesScript(source.url, source.folder);
    default: {
      const never: never = source;
      return never;
    }
  }
}

/** sh: Helm trusts a registry and logs in to it as containerd does on the same machine. */
function asContainerd(chart: Chart, url: string): string {
  const { registry } = chartRepository(chart, url);
  const folder = sh(`${registriesFolder}/${registry}`);
  // oras-project/oras-go@v2.6.1 registry/remote/credentials/registry.go, ServerAddressFromRegistry
  const key = registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
  return `# Beside the usual ones: /etc/ssl/certs is read all the same (Go's crypto/x509)
[ ! -e ${folder}/ca.crt ] || export SSL_CERT_FILE=${folder}/ca.crt
login=$(sed -n '/^\\[host/q; s/^Authorization = "Basic \\(.*\\)"$/\\1/p' ${folder}/hosts.toml 2>/dev/null) || login=
if [ -n "$login" ]; then
  mkdir -p "$HELM_CONFIG_HOME/registry"
  printf '{"auths":{"%s":{"auth":"%s"}}}' ${sh(key)} "$login" >"$HELM_CONFIG_HOME/registry/config.json"
fi
`;
}

// First and alone: Helm 4 says on stdout what it pulls, before the CRDs or the JSON it was asked for (helm/helm@v4.2.4 pkg/cmd/show.go, upgrade.go).
function pullScript({ name, version }: Chart, url: string): string {
  return `mkdir "$work/chart"
"$helm" ${command('pull', `${url.replace(/\/+$/, '')}/${name}`, '--version', version)} --destination "$work/chart" >&2
set -- "$work/chart/"*.tgz
`;
}

function sourcesScript(url: string, folder: string): string {
  const fetch = command('/usr/lib/apt/apt-helper', '-o', 'Acquire::https::Timeout=30', 'download-file', url);
  return `${fetch} "$work/sources.tar.gz" >&2
mkdir "$work/sources"
tar -xzf "$work/sources.tar.gz" -C "$work/sources" --strip-components=1
set -- "$work/sources/"${sh(folder)}
`;
}

const bundled = 'bring the chart in the bundle (--bundle DIR)';
const proxied = 'let the control plane reach it (proxy in the inventory';

/** What it means when Helm does not get the chart. */
export function chartExplained(chart: Chart): Explained {
  const { name, version, source } = chart;
  const absent = {
    message: `there is no chart ${name} ${version} in its repository`,
    hint: 'give another version under layers of the inventory, or bring the chart in the bundle',
  };
  const away = `the repository of chart ${name} cannot be reached`;
  if (source.kind !== 'oci') {
    return [
      {
        pattern: /chart ".+" version ".+" not found|no chart version found|failed to fetch .*\.tgz : 404/i,
        ...absent,
      },
      {
        pattern:
          /is not a valid chart repository or cannot be reached|looks like .* is not a valid|dial tcp|no such host|Client\.Timeout|Failed to fetch/,
        message: away,
        hint: `${proxied}), or ${bundled}`,
      },
    ];
  }
  const { registry } = chartRepository(chart, source.url);
  const inInventory = `containerd.registries["${registry}"]`;
  return [
    // Since 3.18 Helm has the words of oras-go 2, before that those of containerd.
    { pattern: /(?:\S+\/\S+:\S+|sha256:[0-9a-f]{64}|from remote): not found$/, ...absent },
    {
      pattern:
        /(?:response status code|unexpected status from .*:) 40[13]\b|basic credential not found|no basic auth credentials/,
      // ghcr.io and Docker Hub say the same of what is not there.
      message: `${registry} does not let us in: chart ${name} ${version} needs a login, or is not there`,
      hint: `give the login in ${inInventory}.credentials of the inventory and run homelab bootstrap, or ${bundled}`,
    },
    {
      pattern: /failed to perform "\w+" on source|failed to do request|unexpected status from|dial tcp/,
      message: away,
      hint: `${proxied}; ${inInventory}.ca where its certificate is its own), or ${bundled}`,
    },
  ];
}
