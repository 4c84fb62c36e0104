/** The platform under measurement: a real server, and contestants that are requests to it over kept-alive HTTP. */
import assert from 'node:assert/strict'
import type { ExecutionResult } from '../../test/support/client.ts'
import { type ServerOptions, startServer, type TestServer } from '../../test/support/server.ts'
import type { Contestant } from './benchmark.ts'
import { type LoadConnection, openLoadConnection, prepared } from './http-load.ts'

export interface Platform {
  readonly server: TestServer
  readonly connection: LoadConnection
  /** A contestant that posts the request and demands exactly this output. */
  execution(name: string, request: object, expectedStdout: string): ExecutionContestant
  close(): Promise<void>
}

export interface ExecutionContestant extends Contestant {
  /** How each counted start was made. */
  readonly startKinds: Record<string, number>
  readonly results: ExecutionResult[]
}

function contestant(
  server: TestServer,
  connection: LoadConnection,
  name: string,
  request: object,
  expected: string,
): ExecutionContestant {
  const bytes = prepared(server.endpoint, server.adminKey, '/api/v1/execute', request)
  const startKinds: Record<string, number> = {}
  const results: ExecutionResult[] = []
  return {
    name,
    startKinds,
    results,
    async once() {
      const answer = await connection.send(bytes)
      assert.equal(answer.status, 200, answer.body.slice(0, 500))
      const result = JSON.parse(answer.body) as ExecutionResult // checked against the expected output right below
      assert.equal(result.stdout, expected, answer.body.slice(0, 500))
      startKinds[result.startKind] = (startKinds[result.startKind] ?? 0) + 1
      results.push(result)
      return answer.ms
    },
  }
}

export async function startPlatform(options: ServerOptions = {}): Promise<Platform> {
  const server = await startServer(options)
  const connection = await openLoadConnection(server.endpoint)
  return {
    server,
    connection,
    execution: (name, request, expected) => contestant(server, connection, name, request, expected),
    async close() {
      connection.close()
      await server.stop()
    },
  }
}

/** The value of one gauge or counter of the server's metrics, summed over its labels. */
export async function metric(server: TestServer, name: string): Promise<number> {
  const reply = await server.admin.call('GET', '/metrics')
  let total = 0
  for (const line of reply.text.split('\n')) {
    if (line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      total += Number(line.slice(line.lastIndexOf(' ') + 1))
  }
  return total
}
