/*
 * doctor: what this machine offers to Cloche, thing by thing: available, degraded or unavailable, why, and what to do.
 *
 * Guarantees: every answer comes from trying or reading the real thing at that moment; it works with no server, no root
 * and nothing installed, and then says so; a driver is called available only if it made a sandbox just now. Everything it
 * started is gone when it answers.
 *
 * Does not: change the machine, or know anything about a running server.
 */
import { join } from 'node:path'
import { checkpoints, nativeDriver, otherDrivers, type Trial } from './drivers.ts'
import type { Finding } from './finding.ts'
import { controlGroups, kernelFeatures, kernelVersion } from './kernel.ts'
import { disk, memory, privileges, processor, swap, userFaults } from './machine.ts'
import { baseTree, nativePrograms } from './platform.ts'
import { type Probes, systemProbes } from './probes.ts'
import { type NativePlaces, tryNative } from './try-native.ts'

export type { Finding, Section, Status } from './finding.ts'

export interface DoctorConfig {
  readonly dataDir: string
  readonly baseDir: string
  /** Where the native programs are built to: launcher, probe and guest/. */
  readonly buildDir: string
}

/** All findings, in the order they are to be read: what sandboxes need first, what they are made of, then the drivers. */
export async function runDoctor(
  config: DoctorConfig,
  probes: Probes = systemProbes,
  tryDriver: (places: NativePlaces) => Promise<Trial[]> = tryNative,
): Promise<Finding[]> {
  const trials = tryDriver({ buildDir: config.buildDir, baseRoot: await currentRoot(config.baseDir, probes) })
  const found = await Promise.all([
    kernelVersion(probes),
    kernelFeatures(join(config.buildDir, 'probe'), await existing(config.baseDir, probes), probes),
    controlGroups(probes),
    processor(probes),
    privileges(probes),
    disk(config.dataDir, probes),
    memory(probes),
    swap(probes),
    userFaults(probes),
    nativePrograms(config.buildDir, probes),
    baseTree(config.baseDir, probes),
    trials.then(nativeDriver),
    otherDrivers(probes),
    checkpoints(probes),
  ])
  return found.flat()
}

/** Whether code can be run here at all: what `cloche doctor` takes its exit code from. */
export function canRunCode(findings: readonly Finding[]): boolean {
  return findings.some(({ id, status }) => id === 'native-bare' && status === 'available')
}

async function currentRoot(baseDir: string, probes: Probes): Promise<string | undefined> {
  const hash = (await probes.read(join(baseDir, 'current')))?.trim()
  return hash && (await probes.exists(join(baseDir, hash, 'ok'))) ? join(baseDir, hash, 'root') : undefined
}

/** The folder itself, or where it would be made, for what must be tried on its file system. */
async function existing(folder: string, probes: Probes): Promise<string> {
  return (await probes.exists(folder)) ? folder : '/'
}
