/** Runs inside a network namespace and joins a unix socket, which crosses namespaces, to a TCP port there. */
import net from 'node:net'

const [socketPath, port] = process.argv.slice(2)
if (socketPath === undefined || port === undefined) throw new Error('usage: bridge.ts SOCKET PORT')

const listener = net.createServer({ allowHalfOpen: true }, (near) => {
  const far = net.connect({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true })
  near.pipe(far)
  far.pipe(near)
  near.on('error', () => far.destroy())
  far.on('error', () => near.destroy())
})
listener.listen(socketPath, () => process.stdout.write('ready\n'))
