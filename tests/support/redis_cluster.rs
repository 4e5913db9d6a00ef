//! Real Redis Clusters on loopback, and slot migrations one step at a time. Not tests.
//!
//! Made by CLUSTER MEET and ADDSLOTSRANGE rather than by redis-cli, which takes several times as long. A master
//! counts its cluster as down for the first two seconds of its life, whatever is done
//! (`CLUSTER_WRITABLE_DELAY`), so everything that only reads, writes and migrates uses [`shared`].

use std::net::TcpListener;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign::config::{RedisConfig, Topology};
use countersign::store::redis::RedisStore;
use redis::RedisResult;

use super::redis::{Server, keyring, local, now};

/// For the nodes to know each other: generous, since a machine under test may be busy.
const FORMED: Duration = Duration::from_secs(30);
/// Of every Cluster.
const SLOTS: usize = 16384;

/// A cluster that ends with its test.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    /// Masters that share the slots evenly, then the replicas: one for each of the first masters.
    pub(crate) fn start(masters: usize, replicas: usize, options: &[&str]) -> Self {
        let nodes = (0..masters + replicas).map(|_| node(options)).collect();
        Self { nodes }.formed(masters, replicas)
    }

    /// Three masters that talk TLS to each other, and to clients too: each at the port of the same place.
    pub(crate) fn with_tls(ports: &[u16; 3], options: &[&str]) -> Self {
        let node = |port: &u16| {
            node(&[&["--tls-cluster", "yes", "--tls-port", &port.to_string()], options].concat())
        };
        Self { nodes: ports.iter().map(node).collect() }.formed(3, 0)
    }

    fn formed(self, masters: usize, replicas: usize) -> Self {
        let cluster = self;
        let share = SLOTS.div_ceil(masters);
        for (number, master) in cluster.nodes.iter().take(masters).enumerate() {
            let (first, last) = (number * share, ((number + 1) * share).min(SLOTS) - 1);
            master.do_it(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            // Distinct from the first, so that no two masters have to settle who is who.
            master.do_it(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
        }
        let first = &cluster.nodes[0];
        for other in &cluster.nodes[1..] {
            let bus = other.ask::<Vec<String>>(&["CONFIG", "GET", "cluster-port"])[1].clone();
            first.do_it(&["CLUSTER", "MEET", "127.0.0.1", &port(other), &bus]);
        }
        let all = format!("cluster_known_nodes:{}\r\n", cluster.nodes.len());
        cluster.until("everybody knows everybody", |node| {
            let info: String = node.ask(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok\r\n") && info.contains(&all)
        });
        for number in 0..replicas {
            let (master, replica) = (&cluster.nodes[number], &cluster.nodes[masters + number]);
            replica.do_it(&["CLUSTER", "REPLICATE", &id(master)]);
        }
        cluster.until("every replica has caught up", |node| {
            let info: String = node.ask(&["INFO", "replication"]);
            info.contains("role:master") || info.contains("master_link_status:up")
        });
        cluster
    }

    fn until(&self, what: &str, holds: impl Fn(&Server) -> bool) {
        let started = now();
        while !self.nodes.iter().all(&holds) {
            assert!(started.elapsed() < FORMED, "the cluster was not formed: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Patient: what is tested here is the way of a command, not how soon a silent server is given up.
    pub(crate) fn settings(&self) -> RedisConfig {
        let seeds = self.nodes.iter().map(|node| local(node.port)).collect();
        let response_timeout = Duration::from_secs(10);
        RedisConfig { response_timeout, ..RedisConfig::at(Topology::Cluster { seeds }) }
    }

    pub(crate) fn store(&self, namespace: &str) -> Arc<RedisStore> {
        Arc::new(RedisStore::new(self.settings(), namespace, keyring()))
    }

    /// Every node as a seed, in order.
    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// The node that answers for the namespace now.
    pub(crate) fn owner(&self, namespace: &str) -> &Server {
        let answers = |node: &&Server| -> bool {
            let asked: RedisResult<u64> =
                redis::cmd("EXISTS").arg(meta(namespace)).query(&mut node.connection());
            asked.is_ok()
        };
        self.nodes.iter().find(answers).expect("a node that owns the slot")
    }

    /// The replica that [`Cluster::start`] gave a master.
    pub(crate) fn replica_of(&self, master: &Server) -> &Server {
        let at = self.nodes.iter().position(|node| node.port == master.port).unwrap();
        &self.nodes[at + self.nodes.len() / 2]
    }

    /// A move of the namespace's slot from its owner to the next master, of which nothing is done yet.
    pub(crate) fn migration(&self, namespace: &str) -> Migration<'_> {
        let from = self.owner(namespace);
        let at = self.nodes.iter().position(|node| node.port == from.port).unwrap();
        let later = self.nodes.iter().cycle().skip(at + 1);
        let masters = later.take(self.nodes.len() - 1);
        let is_master = |node: &&Server| node.ask::<String>(&["INFO", "replication"]).contains("role:master");
        let to = masters.into_iter().find(is_master).expect("another master");
        let slot: u16 = from.ask(&["CLUSTER", "KEYSLOT", &meta(namespace)]);
        Migration { nodes: &self.nodes, slot: slot.to_string(), from, to }
    }
}

/// A slot on its way: [`Migration::begin`], keys one by one, [`Migration::end`].
pub(crate) struct Migration<'c> {
    nodes: &'c [Server],
    slot: String,
    pub(crate) from: &'c Server,
    pub(crate) to: &'c Server,
}

impl Migration<'_> {
    /// From here on the owner redirects (ASK) whoever asks for a key that it does not have.
    pub(crate) fn begin(&self) {
        self.to.do_it(&["CLUSTER", "SETSLOT", &self.slot, "IMPORTING", &id(self.from)]);
        self.from.do_it(&["CLUSTER", "SETSLOT", &self.slot, "MIGRATING", &id(self.to)]);
    }

    /// Moves one key, in one step; one that does not exist is no matter.
    pub(crate) fn carry(&self, key: &str) {
        self.from.do_it(&["MIGRATE", "127.0.0.1", &port(self.to), key, "0", "10000"]);
    }

    /// Moves every key that is still there.
    pub(crate) fn carry_the_rest(&self) {
        loop {
            let keys: Vec<String> = self.from.ask(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "100"]);
            if keys.is_empty() {
                return;
            }
            keys.iter().for_each(|key| self.carry(key));
        }
    }

    /// The new owner is the owner for everybody. The new one first: a slot with two owners is told apart by
    /// who came later, one with none is down.
    pub(crate) fn end(&self) {
        let new = id(self.to);
        let others =
            self.nodes.iter().filter(|node| node.port != self.to.port && node.port != self.from.port);
        for node in [self.to, self.from].into_iter().chain(others) {
            // A replica learns it from its master, and refuses to be told.
            if node.ask::<String>(&["INFO", "replication"]).contains("role:master") {
                node.do_it(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &new]);
            }
        }
    }

    /// All of it.
    pub(crate) fn run(&self) {
        self.begin();
        self.carry_the_rest();
        self.end();
    }
}

/// One cluster of three masters for everything that does not break it. Ends with the process.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| {
        let cluster = Cluster::start(3, 0, &[]);
        cluster.nodes.iter().for_each(Server::end_with_us);
        cluster
    })
}

/// Not running in a cluster yet. The port of the bus is said: ten thousand above the other may be no port.
fn node(options: &[&str]) -> Server {
    let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "5000"];
    Server::start(&[&cluster, options].concat())
}

/// Where other nodes reach it.
fn port(node: &Server) -> String {
    let tls = node.ask::<Vec<String>>(&["CONFIG", "GET", "tls-port"])[1].clone();
    if tls == "0" { node.port.to_string() } else { tls }
}

fn id(node: &Server) -> String {
    node.ask(&["CLUSTER", "MYID"])
}

fn meta(namespace: &str) -> String {
    format!("{{{namespace}}}:meta")
}
