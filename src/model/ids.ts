/*
 * model: the words of Cloche as types: tenants, keys, executions, environments, limits, and every error there is.
 *
 * Guarantees: pure data and pure functions; what may follow what (statuses) is a table here and nowhere else; ids of
 * different things cannot be mixed up. Does not do: reading, writing, waiting, or knowing how anything is stored or sent.
 */
import { isSortableId, sortableId } from '../std/ids.ts'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

export type TenantId = Branded<'tenant'>
export type KeyId = Branded<'key'>
export type ExecutionId = Branded<'execution'>
export type EnvironmentId = Branded<'environment'>
/** One start of a server: what a dead server left behind is told apart by it. */
export type ServerId = Branded<'server'>
/** Lower-case hex sha256 of a blob's bytes. */
export type BlobHash = Branded<'blob'>
/** Lower-case hex sha256 that names a layer folder: the content it was built from. */
export type LayerHash = Branded<'layer'>

// The casts below are the only places where a plain string becomes an id: right after it was made or checked.

export const newTenantId = (nowMs: number): TenantId => sortableId('ten', nowMs) as TenantId
export const newKeyId = (nowMs: number): KeyId => sortableId('key', nowMs) as KeyId
export const newExecutionId = (nowMs: number): ExecutionId => sortableId('exec', nowMs) as ExecutionId
export const newEnvironmentId = (nowMs: number): EnvironmentId => sortableId('env', nowMs) as EnvironmentId
export const newServerId = (nowMs: number): ServerId => sortableId('srv', nowMs) as ServerId

export const isTenantId = (text: string): text is TenantId => isSortableId(text, 'ten')
export const isKeyId = (text: string): text is KeyId => isSortableId(text, 'key')
export const isExecutionId = (text: string): text is ExecutionId => isSortableId(text, 'exec')
export const isEnvironmentId = (text: string): text is EnvironmentId => isSortableId(text, 'env')
export const isServerId = (text: string): text is ServerId => isSortableId(text, 'srv')
export const isBlobHash = (text: string): text is BlobHash => /^[0-9a-f]{64}$/.test(text)
export const isLayerHash = (text: string): text is LayerHash => /^[0-9a-f]{64}$/.test(text)
