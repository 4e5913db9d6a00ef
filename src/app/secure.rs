//! TLS of this process: what each port and the way to the application is served by, opened once and followed.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::drain::Watcher;
use crate::tls::{ClientTls, Follow, HTTP_1, HTTP_2, HTTP_2_AND_1, MaterialFault, POLL, ServerTls};
use crate::upstream::connect::Dialer;

/// What is under TLS; `None` is without.
#[derive(Clone)]
pub(super) struct Security {
    pub(super) listener: Option<Arc<ServerTls>>,
    pub(super) admin: Option<Arc<ServerTls>>,
    pub(super) upstream: Option<Dialer>,
    clock: Arc<dyn Clock>,
}

impl Security {
    /// Reads the files of what the role has.
    pub(super) fn open(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, MaterialFault> {
        let (role, now) = (config.role, clock.moment().wall.seconds());
        let listener = config.listener.tls.as_ref().filter(|_| role.serves_traffic());
        let listener = listener.map(|files| ServerTls::open("listener.tls", files, &HTTP_2_AND_1, now));
        let admin = config.admin.tls.as_ref().filter(|_| role.serves_admin());
        let admin = admin.map(|files| ServerTls::open("admin.tls", files, &HTTP_1, now));
        let upstream = config.upstream.tls.as_ref().filter(|_| role.serves_traffic()).map(|to| {
            let alpn: &[&[u8]] = if config.upstream.http2 { &HTTP_2 } else { &HTTP_1 };
            let tls = Arc::new(ClientTls::open("upstream", &to.files, alpn, now)?);
            Ok(Dialer { tls, name: to.server_name.clone() })
        });
        Ok(Self {
            listener: listener.transpose()?.map(Arc::new),
            admin: admin.transpose()?.map(Arc::new),
            upstream: upstream.transpose()?,
            clock: Arc::clone(clock),
        })
    }

    /// Everything that follows files.
    pub(super) fn followed(&self) -> Vec<Arc<dyn Follow>> {
        let mut followed: Vec<Arc<dyn Follow>> = Vec::new();
        for port in [&self.listener, &self.admin].into_iter().flatten() {
            followed.push(Arc::clone(port) as Arc<dyn Follow>);
        }
        followed.extend(self.upstream.iter().map(|dialer| Arc::clone(&dialer.tls) as Arc<dyn Follow>));
        followed
    }

    /// Looks at the files now. Blocks.
    pub(super) fn look(&self) {
        let now = self.clock.moment().wall.seconds();
        for follow in self.followed() {
            follow.look(now);
        }
    }

    /// Looks at the files again and again.
    pub(super) async fn follow(self, mut end: Watcher) {
        if self.followed().is_empty() {
            return;
        }
        loop {
            tokio::select! {
                () = end.draining() => return,
                () = tokio::time::sleep(POLL) => {}
            }
            let this = self.clone();
            let _looked = tokio::task::spawn_blocking(move || this.look()).await;
        }
    }
}
