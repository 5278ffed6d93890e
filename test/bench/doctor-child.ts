// One diagnosis of a saved snapshot, in a process of its own: its time and its memory.
import process from 'node:process';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import { loadSnapshot } from '../../src/io/snapshot-folder.ts';

const begun = performance.now();
const { broken } = diagnose(await loadSnapshot(process.argv[2] ?? ''), rules);
const wallMs = performance.now() - begun;
console.log(JSON.stringify({ wallMs, rssMiB: process.resourceUsage().maxRSS / 1024, broken: broken.length }));
