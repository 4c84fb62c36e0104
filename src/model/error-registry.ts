/*
 * Every error there is: one entry for each thing that can go wrong, grouped by whose fault it is. The entry decides the
 * HTTP status, whether trying again is safe, and every word a caller reads.
 */
import { callerErrors } from './caller-errors.ts'
import type { Entries, ErrorCode } from './error-details.ts'
import { platformErrors } from './platform-errors.ts'
import { programErrors } from './program-errors.ts'

export const REGISTRY: Entries<ErrorCode> = { ...callerErrors, ...programErrors, ...platformErrors }

// The keys of REGISTRY are exactly ErrorCode by its type; Object.keys only loses that.
export const ERROR_CODES = Object.keys(REGISTRY) as ErrorCode[]
