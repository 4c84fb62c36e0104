import { existsSync, readFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { DEFAULT_TENANT_NAME } from '../model/tenant.ts'
import type { Store } from '../store/faces.ts'

export const ADMIN_KEY_FILE = 'admin.key'

/**
 * Makes the default tenant and its admin key, once in the life of a data folder. The key goes into a file only its owner can
 * read, and nowhere else. Returns the file's path if it was written now.
 *
 * A crash between the steps leaves at most a key that nobody knows; the file, once there, always holds a key that works.
 */
export async function prepareFirstStart(store: Store, dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, ADMIN_KEY_FILE)
  const tenant =
    (await store.tenants.byName(DEFAULT_TENANT_NAME)) ?? (await store.tenants.create(DEFAULT_TENANT_NAME))
  const done = (await store.platform.getSetting(MADE)) !== undefined
  // Whoever removed the file after that has keys of their own.
  if (done || (existsSync(path) && (await stillWorks(store, path)))) {
    if (!done) await store.platform.setSetting(MADE, 'yes')
    return undefined
  }
  const { secret } = await store.keys.create(tenant.id, {
    name: 'first admin key',
    scopes: ['admin'],
    ratePerMinute: null,
    expiresAt: null,
  })
  await writePrivate(path, `${secret}\n`)
  await store.platform.setSetting(MADE, 'yes')
  return path
}

const MADE = 'first_admin_key'

async function stillWorks(store: Store, path: string): Promise<boolean> {
  try {
    await store.keys.verify(readFileSync(path, 'utf8').trim())
    return true
  } catch {
    return false
  }
}

/** Whole or absent, and never readable by others, not even for a moment. */
async function writePrivate(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}
