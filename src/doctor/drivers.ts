import { available, type Finding, unavailable } from './finding.ts'
import type { Probes } from './probes.ts'

const NOT_BUILT = 'Cloche has no such driver in this version'
const USE_NATIVE = 'use the native driver: nothing that could be installed here would change this'

/** What the machine offers to drivers of later versions. Never "available": no code here could use it. */
export async function otherDrivers(probes: Probes): Promise<Finding[]> {
  const [docker, gvisor, kvm, kubernetes] = await Promise.all([
    dockerFact(probes),
    versionFact('runsc', ['--version'], probes),
    probes.exists('/dev/kvm'),
    versionFact('kubectl', ['version', '--client'], probes),
  ])
  return [
    notBuilt('docker', 'docker driver', docker),
    notBuilt('gvisor', 'gVisor driver', gvisor),
    notBuilt(
      'microvm',
      'micro-VM driver',
      kvm ? 'this machine has /dev/kvm' : 'this machine has no /dev/kvm',
    ),
    notBuilt('kubernetes', 'Kubernetes driver', kubernetes),
  ]
}

/** Snapshots are not built either; whether CRIU is there is worth knowing for when they are. */
export async function checkpoints(probes: Probes): Promise<Finding> {
  return notBuilt('checkpoints', 'snapshots and branches', await versionFact('criu', ['--version'], probes))
}

function notBuilt(id: string, title: string, fact: string): Finding {
  const missing = id === 'checkpoints' ? 'this version has none; modes that need them answer so' : NOT_BUILT
  return unavailable(
    'drivers',
    id,
    title,
    `${missing} (${fact})`,
    id === 'checkpoints' ? 'use the modes ephemeral and cached' : USE_NATIVE,
  )
}

async function dockerFact(probes: Probes): Promise<string> {
  const ran = await probes.run('docker', ['version', '--format', '{{.Server.Version}}'])
  if (ran === undefined) return 'docker is not installed'
  return ran.code === 0
    ? `docker engine ${ran.output.trim()} runs here`
    : 'the docker client is here, no engine answers it'
}

async function versionFact(command: string, args: readonly string[], probes: Probes): Promise<string> {
  const ran = await probes.run(command, args)
  if (ran === undefined) return `${command} is not installed`
  const [first = ''] = ran.output.trim().split('\n')
  return ran.code === 0 ? `here is ${first}` : `${command} is here but does not work: ${first}`
}

export interface Trial {
  readonly runtime: string
  /** Undefined when the sandbox was made and ended as it should. */
  readonly failure?: { readonly why: string; readonly remedy: string }
  readonly readyMs?: number
}

/** The native driver is available when it made a sandbox of each runtime, just now. */
export function nativeDriver(trials: readonly Trial[]): Finding[] {
  return trials.map(({ runtime, failure, readyMs }) => {
    const id = `native-${runtime}`
    const title = `native driver, ${runtime} sandboxes`
    if (failure) return unavailable('drivers', id, title, failure.why, failure.remedy)
    return available('drivers', id, title, `one was made, ready after ${readyMs?.toFixed(1)} ms, and ended`)
  })
}
