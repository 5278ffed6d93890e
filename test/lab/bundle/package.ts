// Packs a Debian package from binaries and texts, with the maintainer scripts that Debian's own services have.
import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type PackageSpec, unitText } from './recipe.ts';
import { run } from './run.ts';
import { sumsOf } from './sums.ts';

export interface PackageFile {
  readonly spec: PackageSpec;
  readonly architecture: string;
  /** Binary name to its file. */
  readonly binaries: ReadonlyMap<string, string>;
  /** A folder for the tree in between. */
  readonly scratch: string;
  /** The folder that gets the .deb. */
  readonly pool: string;
  readonly signal?: AbortSignal | undefined;
}

/** Every file in the packages is of this time: the day of Kubernetes 1.31.1. */
const packedAt = '1726099200';

export async function writePackage(options: PackageFile): Promise<void> {
  const { spec, scratch } = options;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(path.join(scratch, 'DEBIAN'), { recursive: true });

  const content: string[] = [];
  for (const [target, name] of Object.entries(spec.binaries)) {
    const binary = options.binaries.get(name);
    if (binary === undefined) throw new Error(`package ${spec.name} wants ${name}, which nothing builds`);
    await copyFile(binary, await place(scratch, target));
    await chmod(path.join(scratch, target), 0o755);
    content.push(target);
  }
  for (const [target, text] of Object.entries({ ...spec.texts, ...copyright(spec) })) {
    await writeFile(await place(scratch, target), typeof text === 'string' ? text : unitText(text.unit), {
      mode: 0o644,
    });
    content.push(target);
  }

  const sums = await Promise.all(
    content.map(async target => ({ target, ...(await sumsOf(path.join(scratch, target))) })),
  );
  const control: Record<string, string> = {
    control: renderControl(
      spec,
      options.architecture,
      Math.ceil(sums.reduce((sum, { bytes }) => sum + bytes, 0) / 1024),
    ),
    md5sums: sums.map(({ target, md5 }) => `${md5}  ${target.slice(1)}\n`).join(''),
  };
  if (spec.conffiles !== undefined) control['conffiles'] = spec.conffiles.map(file => `${file}\n`).join('');
  for (const [name, text] of Object.entries(control)) {
    await writeFile(path.join(scratch, 'DEBIAN', name), text, { mode: 0o644 });
  }
  for (const [name, text] of Object.entries(renderScripts(spec))) {
    await writeFile(path.join(scratch, 'DEBIAN', name), text, { mode: 0o755 });
  }
  const file = path.join(options.pool, packageFile(spec, options.architecture));
  await run(['dpkg-deb', '--root-owner-group', '-Zgzip', '-z1', '--build', scratch, file], {
    env: { SOURCE_DATE_EPOCH: packedAt },
    signal: options.signal,
  });
  await rm(scratch, { recursive: true });
}

/** The name of its .deb. */
export function packageFile({ name, version }: PackageSpec, architecture: string): string {
  return `${name}_${version}_${architecture}.deb`;
}

export function renderControl(spec: PackageSpec, architecture: string, installedKiB: number): string {
  const fields = [
    ['Package', spec.name],
    ['Version', spec.version],
    ['Architecture', architecture],
    ['Maintainer', 'homelab lab <lab@homelab.example>'],
    ['Installed-Size', String(installedKiB)],
    ...(spec.depends.length === 0 ? [] : [['Depends', spec.depends.join(', ')]]),
    ['Section', 'admin'],
    ['Priority', 'optional'],
    ['Homepage', spec.homepage],
    ['Description', `${spec.summary}\n Built from its public source for the machines of homelab's lab.`],
  ];
  return fields.map(field => `${field.join(': ')}\n`).join('');
}

/** What debhelper would generate for a service; for a drop-in, that systemd reads it. */
export function renderScripts(spec: PackageSpec): Readonly<Record<string, string>> {
  if (spec.service !== undefined) return serviceScripts(spec.service);
  if (spec.reloadsSystemd === true) return { postinst: script(reload), postrm: script(reload) };
  return {};
}

const reload = `if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload || true
fi
`;

function serviceScripts(unit: string): Readonly<Record<string, string>> {
  return {
    // A unit that the machine's owner has disabled stays disabled over an upgrade, and a policy against starting is heeded.
    postinst: script(`case "$1" in
configure | abort-upgrade | abort-deconfigure | abort-remove)
  deb-systemd-helper unmask ${unit} >/dev/null || true
  if deb-systemd-helper --quiet was-enabled ${unit}; then
    deb-systemd-helper enable ${unit} >/dev/null || true
  else
    deb-systemd-helper update-state ${unit} >/dev/null || true
  fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || true
    if [ -n "\${2:-}" ]; then action=restart; else action=start; fi
    deb-systemd-invoke "$action" ${unit} >/dev/null || true
  fi
  ;;
esac
`),
    prerm: script(`if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop ${unit} >/dev/null || true
fi
`),
    postrm: script(`if [ "$1" = remove ]; then
  ${reload.trimEnd().replaceAll('\n', '\n  ')}
fi
if [ -x /usr/bin/deb-systemd-helper ]; then
  case "$1" in
  remove) deb-systemd-helper mask ${unit} >/dev/null || true ;;
  purge)
    deb-systemd-helper purge ${unit} >/dev/null || true
    deb-systemd-helper unmask ${unit} >/dev/null || true
    ;;
  esac
fi
`),
  };
}

function script(body: string): string {
  return `#!/bin/sh\nset -e\n${body}`;
}

function copyright(spec: PackageSpec): Readonly<Record<string, string>> {
  return {
    [`/usr/share/doc/${spec.name}/copyright`]: `${spec.homepage}\nLicense: Apache-2.0 (/usr/share/common-licenses/Apache-2.0)\n`,
  };
}

async function place(root: string, target: string): Promise<string> {
  const file = path.join(root, target);
  await mkdir(path.dirname(file), { recursive: true });
  return file;
}
