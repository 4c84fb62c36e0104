import type { Database } from './database.ts'
import { referencedBlobs } from './tables/blob-refs.ts'
import * as environments from './tables/environments.ts'
import * as executions from './tables/executions.ts'
import * as keys from './tables/keys.ts'
import * as platform from './tables/platform.ts'
import * as results from './tables/results.ts'
import * as tenants from './tables/tenants.ts'

export interface Operation<Input, Output> {
  /** A write is all or nothing, and answered only when it is on disk. */
  readonly writes: boolean
  readonly run: (db: Database, input: Input) => Output
}

function read<Input, Output>(run: (db: Database, input: Input) => Output): Operation<Input, Output> {
  return { writes: false, run }
}

function write<Input, Output>(run: (db: Database, input: Input) => Output): Operation<Input, Output> {
  return { writes: true, run }
}

/** All that the store's thread can be asked, by name: what is not here cannot be done to the database. */
export const operations = {
  createTenant: write(tenants.createTenant),
  getTenant: read(tenants.getTenant),
  tenantByName: read(tenants.tenantByName),
  listTenants: read(tenants.listTenants),

  createKey: write(keys.createKey),
  keyByHash: read(keys.keyByHash),
  getKey: read(keys.getKey),
  listKeys: read(keys.listKeys),
  revokeKey: write(keys.revokeKey),
  touchKeys: write(keys.touchKeys),

  acceptExecution: write(executions.acceptExecution),
  takeInJournal: write(executions.takeInJournal),
  commitExecution: write(executions.commitExecution),
  getExecution: read(executions.getExecution),
  listExecutions: read(executions.listExecutions),
  deleteExecution: write(executions.deleteExecution),
  findClaim: read(executions.findClaim),

  createEnvironment: write(environments.createEnvironment),
  updateEnvironment: write(environments.updateEnvironment),
  getEnvironment: read(environments.getEnvironment),
  environmentByName: read(environments.environmentByName),
  environmentBySpec: read(environments.environmentBySpec),
  listEnvironments: read(environments.listEnvironments),
  deleteEnvironment: write(environments.deleteEnvironment),
  unbuiltEnvironments: read(environments.unbuiltEnvironments),
  neededLayers: read(environments.neededLayers),

  getResult: read(results.getResult),
  putResult: write(results.putResult),

  referencedBlobs: read(referencedBlobs),
  unfinishedExecutions: read(platform.unfinishedExecutions),
  sweepExecutions: write(platform.sweepExecutions),
  sweepResults: write(platform.sweepResults),
  sweepIdempotency: write(platform.sweepIdempotency),
  getSetting: read(platform.getSetting),
  setSetting: write(platform.setSetting),
  journalPosition: read(platform.journalPosition),
}

export type OperationName = keyof typeof operations
export type InputOf<Name extends OperationName> = Parameters<(typeof operations)[Name]['run']>[1]
export type OutputOf<Name extends OperationName> = ReturnType<(typeof operations)[Name]['run']>
