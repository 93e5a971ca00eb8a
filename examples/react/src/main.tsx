import { ConnectionStatus, LiveChart, MetricCard, PulseboardProvider, useLiveQuery, useLiveValue } from '@pulseboard/react';
import { createRoot } from 'react-dom/client';
import '@pulseboard/react/styles.css';

const CORES = { series: 'core', values: ['usage'] };
const GRID = { display: 'grid', gap: 12, padding: 16, gridTemplateColumns: 'repeat(auto-fit, minmax(220px, 1fr))' };

function Machine() {
  const cpu = useLiveValue('SELECT total FROM host_cpu ORDER BY time DESC LIMIT 1');
  const memory = useLiveValue('SELECT used_pct FROM host_memory ORDER BY time DESC LIMIT 1');
  const cores = useLiveQuery('infra.cores');
  return (
    <main style={GRID}>
      <MetricCard title="CPU" value={cpu.value} unit="percent" thresholds={{ warning: 85, critical: 95 }} {...cpu.live} />
      <MetricCard title="Memory" value={memory.value} unit="percent" color={2} {...memory.live} />
      <div className="pb-card" style={{ gridColumn: '1 / -1' }}>
        <LiveChart title="Cores" channel={cores.channel} columns={CORES} range_ms={120_000} unit="percent" max={100} {...cores.live} />
      </div>
      <ConnectionStatus />
    </main>
  );
}

createRoot(document.getElementById('root') as HTMLElement).render(
  <PulseboardProvider url={import.meta.env.VITE_PULSEBOARD_URL ?? 'http://127.0.0.1:8080'}>
    <Machine />
  </PulseboardProvider>,
);
