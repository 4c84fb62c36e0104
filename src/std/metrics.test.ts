import assert from 'node:assert/strict'
import test from 'node:test'
import { Metrics } from './metrics.ts'

test('metrics render in the text format a scraper reads, label values escaped', () => {
  const metrics = new Metrics()
  const runs = metrics.counter('runs_total', 'Runs.')
  metrics.gauge('live', 'Alive.', () => [{ labels: { kind: 'a"b\\c\nd' }, value: 3 }])
  const times = metrics.histogram('seconds', 'Time.', [0.1, 1])
  runs.add(1, { status: 'ok' })
  runs.add(2, { status: 'ok' })
  for (const value of [0.05, 0.5, 7]) times.observe(value)
  assert.equal(
    metrics.render(),
    [
      '# HELP runs_total Runs.',
      '# TYPE runs_total counter',
      'runs_total{status="ok"} 3',
      '# HELP live Alive.',
      '# TYPE live gauge',
      'live{kind="a\\"b\\\\c\\nd"} 3',
      '# HELP seconds Time.',
      '# TYPE seconds histogram',
      'seconds_bucket{le="0.1"} 1',
      'seconds_bucket{le="1"} 2',
      'seconds_bucket{le="+Inf"} 3',
      'seconds_sum 7.55',
      'seconds_count 3',
      '',
    ].join('\n'),
  )
})

test('a counter nobody has touched is there with 0, and no name can be used twice', () => {
  const metrics = new Metrics()
  metrics.counter('x_total', 'X.')
  assert.match(metrics.render(), /^x_total 0$/m)
  assert.throws(() => metrics.counter('x_total', 'X.'))
})
