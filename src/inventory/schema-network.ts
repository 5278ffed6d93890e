// How machines get what they do not have: registries with their mirrors and logins, and the proxy.
import * as z from 'zod';
import { pathProblem } from './paths.ts';
import { checkCredentialName, checkMirror, checkNoProxy, checkProxyUrl, checkRegistry } from './registries.ts';
import { text } from './schema-text.ts';
import { checkReference } from './secrets.ts';

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: the references' own syntax
const credentials = z
  .strictObject({
    username: text(checkCredentialName, { description: 'Login name', examples: ['homelab'] }),
    password: text(checkReference, {
      description: 'Where password or token is to be had: ${env:NAME} or ${file:PATH}, never the password itself',
      examples: ['${env:GHCR_TOKEN}', '${file:~/.config/homelab/registry}'],
      pattern: '^\\$\\{(env|file):[^}]+\\}$',
    }),
  })
  .meta({ description: 'How machines log in there' });
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: the references' own syntax

const registry = z
  .strictObject({
    mirrors: z
      .array(text(checkMirror, { description: 'Address of a mirror', examples: ['https://mirror.home.arpa:5000'] }))
      .default([])
      .meta({ description: 'Asked first, in this order; CA and credentials of a mirror stand under its own host' }),
    ca: text(pathProblem, {
      description: 'File with the PEM certificates that this host is trusted by, relative to the inventory',
      examples: ['keys/home-ca.crt'],
    }).optional(),
    credentials: credentials.optional(),
  })
  .meta({ description: 'One registry, or a mirror' });

export const registries = z
  .record(
    z.string().superRefine((value, context) => {
      const problem = checkRegistry(value);
      if (problem) context.addIssue({ code: 'custom', message: problem.expectation });
    }),
    registry,
  )
  .default({})
  .meta({ description: 'Registries by host, with :port where they have one: mirrors, CA, credentials' });

export const proxy = z
  .strictObject({
    http: text(checkProxyUrl, {
      description: 'For http:// addresses',
      examples: ['http://proxy.home.arpa:3128'],
    }).optional(),
    https: text(checkProxyUrl, {
      description: 'For https:// addresses',
      examples: ['http://proxy.home.arpa:3128'],
    }).optional(),
    no: z
      .array(text(checkNoProxy, { description: 'Name, .domain, address or subnet', examples: ['.home.arpa'] }))
      .default([])
      .meta({ description: "Reached directly; the cluster's own names, addresses and subnets always are" }),
  })
  .meta({ description: 'HTTP proxy of apt, containerd and kubelet on every machine' });
