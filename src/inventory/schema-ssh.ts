// How machines are reached: the `ssh` sections.
import * as z from 'zod';
import { checkHostKey, checkProxyJump, checkUser } from './names.ts';
import { pathProblem } from './paths.ts';
import { text } from './schema-text.ts';
import { checkReference } from './secrets.ts';

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: the references' own syntax
const sudo = z
  .strictObject({
    password: text(checkReference, {
      description: 'Where the sudo password is to be had: ${env:NAME} or ${file:PATH}, never the password itself',
      examples: ['${env:SUDO_PASSWORD}', '${file:~/.config/homelab/sudo}'],
      pattern: '^\\$\\{(env|file):[^}]+\\}$',
    }),
  })
  .meta({ description: 'How root is had, when sudo asks for a password' });
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: the references' own syntax

const sshFields = {
  user: text(checkUser, { description: 'Login name; needs sudo, or is root', examples: ['admin'] }).optional(),
  port: z.int().min(1).max(65535).meta({ description: 'Port of sshd' }).optional(),
  identityFile: text(pathProblem, { description: 'Private key file', examples: ['~/.ssh/id_ed25519'] }).optional(),
  knownHosts: text(pathProblem, { description: 'known_hosts file to use instead of your own' }).optional(),
  proxyJump: text(checkProxyJump, {
    description: 'Jump hosts, [user@]host[:port],…',
    examples: ['admin@bastion:22'],
  }).optional(),
  sudo: sudo.optional(),
};

export const sshDefault = z
  .strictObject(sshFields)
  .meta({ description: 'How machines are reached; each host may differ' });

export const sshOfHost = z
  .strictObject({
    ...sshFields,
    hostKey: text(checkHostKey, {
      description: "The machine's host key, pinned: its SHA256:… fingerprint or the public key",
      examples: ['SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU'],
    }).optional(),
  })
  .meta({ description: 'How this machine is reached; what is not given comes from the top-level ssh' });
