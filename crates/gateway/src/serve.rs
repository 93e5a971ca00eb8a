//! The listener, and an orderly end: not ready any more, connections told to come back, at most ten seconds.

use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt;
use pulseboard_runtime::Shutdown;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::router::{Gateway, router};
use crate::system;

/// How long draining may take with connections open.
const DRAIN_MAX: Duration = Duration::from_secs(8);

impl Gateway {
    /// Serves until `stop`, then drains.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: Shutdown) -> std::io::Result<()> {
        let service = router(&self).into_make_service_with_connect_info::<SocketAddr>();
        // Small frames must not wait for each other.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                warn!(%error, "a connection keeps delaying small frames");
            }
        });
        let (catalog, tasks) = (self.deps.catalog.clone(), &self.deps.tasks);
        tasks.spawn("ad-hoc-queries", catalog.run(tasks.shutdown()));
        tasks.spawn("metrics", self.health.clone().run(tasks.shutdown()));
        let (deps, health, connections) = (self.deps.clone(), self.health.clone(), self.connections.clone());
        let figures = system::run(deps, health, connections.clone(), self.decodes.clone(), tasks.shutdown());
        tasks.spawn("system-figures", figures);
        let (gateway, stopping) = (self.clone(), stop.clone());
        let server = axum::serve(listener, service).with_graceful_shutdown(async move {
            stopping.wait().await;
            info!("draining connections");
            gateway.health.drain();
            // axum's own shutdown covers neither WebSocket nor SSE.
            gateway.connections.drain();
        });
        let deadline = async {
            stop.wait().await;
            tokio::time::sleep(DRAIN_MAX).await;
        };
        tokio::select! {
            served = async {
                let served = server.await;
                // A WebSocket is no request any more once it is upgraded: nobody else waits for its farewell.
                connections.empty().await;
                served
            } => served,
            () = deadline => {
                warn!("connections were still open when the time to drain was over");
                Ok(())
            }
        }
    }
}
