/** What the doctor says about one thing: a status, why it is so, and what would mend it. */
export type Status = 'available' | 'degraded' | 'unavailable'

export type Section = 'kernel' | 'machine' | 'platform' | 'drivers'

export interface Finding {
  readonly id: string
  readonly section: Section
  readonly title: string
  readonly status: Status
  /** For whatever status: the fact it rests on. */
  readonly why: string
  /** What to do about it; empty when there is nothing to do. */
  readonly remedy: string
}

export function available(section: Section, id: string, title: string, why: string): Finding {
  return { id, section, title, status: 'available', why, remedy: '' }
}

export function degraded(section: Section, id: string, title: string, why: string, remedy: string): Finding {
  return { id, section, title, status: 'degraded', why, remedy }
}

export function unavailable(
  section: Section,
  id: string,
  title: string,
  why: string,
  remedy: string,
): Finding {
  return { id, section, title, status: 'unavailable', why, remedy }
}
