import { type EnvironmentParts, Environments } from './environments.ts'

/** Ready for callers: what an earlier start left half done is cleared away, and begun again where somebody named it. */
export async function openEnvironments(parts: EnvironmentParts): Promise<Environments> {
  const environments = new Environments(parts)
  await environments.start()
  return environments
}
