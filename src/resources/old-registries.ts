// Folders of containerd's registries that homelab wrote and nobody wants any more: without them containerd asks the registry itself.
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

export interface OldRegistriesOptions {
  /** /etc/containerd/certs.d */
  readonly root: string;
  /** First line of a hosts.toml that is homelab's; every other one is somebody else's. */
  readonly mark: string;
  /** Names of the folders that are wanted. */
  readonly wanted: readonly string[];
}

export function oldRegistries({ root, mark, wanted }: OldRegistriesOptions): Resource {
  return defineResource<readonly string[]>({
    key: 'old-registries',
    name: 'old-registries',
    title: 'Take away registries that left the inventory',
    read: `for file in ${sh(root)}/*/hosts.toml; do
  [ -f "$file" ] && [ "$(head -n 1 -- "$file")" = ${sh(mark)} ] || continue
  folder=\${file%/hosts.toml}
  echo "\${folder##*/}"
done
`,
    parse: output => output.split('\n').filter(name => name !== '' && !wanted.includes(name)),
    blank: [],
    desired: [],
    differences: observed => observed.map(name => `${name} stands in no containerd.registries`),
    act: observed => ({
      diff: observed.map(name => `- ${root}/${name}`).join('\n'),
      action: { script: observed.map(name => removeScript(`${root}/${name}`)).join(''), timeoutMs: 30_000 },
    }),
  });
}

// The CA goes where our hosts.toml names it; what somebody else put there keeps its folder.
function removeScript(folder: string): string {
  const [hosts, ca] = [`${folder}/hosts.toml`, `${folder}/ca.crt`];
  return `! ${command('grep', '-qxF', '--', `ca = "${ca}"`, hosts)} || ${command('rm', '-f', '--', ca)}
${command('rm', '-f', '--', hosts)}
${command('rmdir', '--ignore-fail-on-non-empty', '--', folder)}
`;
}
