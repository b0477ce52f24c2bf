//! Counts of shared limits in Redis or Valkey: one server, several that the keys are spread over, or a
//! cluster.
//!
//! Each key's account is one hash that a Lua script changes in one step; a batch is one pipeline. The
//! clock is the server's. Accounts expire by themselves. What an account does is documented at
//! [`tidegate_limit::global::Owner`], which this follows step by step.
//!
//! **Invariant:** a token is granted once, whatever happens to the answer.
//! **Invariant:** nothing here waits longer than its caller lets it: there are no retries of its own.
//!
//! Entry type: [`Redis`].

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{IntoConnectionInfo, Pipeline, RedisError, Script, Value};
use tidegate_limit::global::{ACTIVE_US, Answer, Batch, Entry, Reply, SYNC_US};
use tokio::sync::Mutex;

const SCRIPT: &str = include_str!("exchange.lua");
/// The secret that all nodes hash keys with.
const SECRET_KEY: &str = "tidegate:limits:secret";
/// When each node was last there.
const NODES_KEY: &str = "tidegate:limits:nodes";
/// The share of a node that fell silent is kept so long, microseconds.
const SILENT_US: u64 = 60_000_000;
const CONNECT_MS_MAX: u64 = 1_000;
/// Commands under way at the same time where each goes to the server of its own slot.
const COMMANDS_AT_ONCE: usize = 256;
/// A server that hangs must not hold the connection for good.
const ANSWER_MS_MAX: u64 = 500;

/// A Redis or Valkey server, or a cluster of them.
pub struct Redis {
    address: Address,
    script: Script,
    state: Mutex<State>,
}

enum Address {
    Single(redis::Client),
    Cluster(Box<redis::cluster::ClusterClient>),
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    secret: Option<[u8; 16]>,
    /// When each node was last there, by the server's clock.
    seen_us: HashMap<String, u64>,
    now_us: u64,
    loaded: bool,
}

#[derive(Clone)]
enum Connection {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

/// Why nothing could be counted.
#[derive(Debug, thiserror::Error)]
pub enum CountersError {
    /// The server said no, or nothing.
    #[error("redis: {0}")]
    Redis(#[from] RedisError),
    /// An answer has another form than the script's.
    #[error("redis: an answer of another form than the script gives")]
    Form,
    /// No randomness for the secret of the fleet.
    #[error("random bytes: {0}")]
    Random(String),
}

type Result<T> = std::result::Result<T, CountersError>;

impl Redis {
    /// A store at one address, or at those of a cluster's nodes. Nothing is connected yet.
    ///
    /// # Errors
    /// An address is not of the form `redis://host:port/db`.
    pub fn open(urls: &[String], cluster: bool, password: Option<&str>) -> Result<Self> {
        let password = password.map(|text| text.trim().to_owned());
        let address = if cluster {
            let mut builder = ClusterClientBuilder::new(urls.to_vec())
                .connection_timeout(Duration::from_millis(CONNECT_MS_MAX))
                .response_timeout(Duration::from_millis(ANSWER_MS_MAX));
            if let Some(password) = password {
                builder = builder.password(password);
            }
            Address::Cluster(Box::new(builder.build()?))
        } else {
            let url = urls.first().map_or("", String::as_str);
            let mut info = url.into_connection_info()?;
            if let Some(password) = password {
                let settings = info.redis_settings().clone().set_password(password);
                info = info.set_redis_settings(settings);
            }
            Address::Single(redis::Client::open(info)?)
        };
        Ok(Self { address, script: Script::new(SCRIPT), state: Mutex::default() })
    }

    /// Reports and asks; the answers come in the order of the entries.
    ///
    /// # Errors
    /// The store is out of reach. What was granted on the way is lost, never granted again.
    pub async fn exchange(&self, batch: &Batch) -> Result<Reply> {
        let exchanged = self.attempt(batch).await;
        if exchanged.is_err() && matches!(self.address, Address::Cluster(_)) {
            // The next one asks all addresses anew who has which slots now.
            self.state.lock().await.connection = None;
        }
        exchanged
    }

    async fn attempt(&self, batch: &Batch) -> Result<Reply> {
        let mut connection = self.connection().await?;
        let secret = self.prepare(&mut connection).await?;
        let node = format!("{:016x}", batch.node);
        self.greet(&mut connection, &node).await?;
        let (silent, peers) = self.peers().await;
        let mut answers = Vec::with_capacity(batch.entries.len());
        if !batch.entries.is_empty() {
            let pipe = self.pipe(&node, &batch.entries, &silent, peers);
            let values = match run(&mut connection, &pipe).await {
                Err(CountersError::Redis(error)) if is_unknown_script(&error) => {
                    // A server that restarted knows no scripts.
                    self.load(&mut connection).await?;
                    run(&mut connection, &pipe).await?
                }
                other => other?,
            };
            for (entry, value) in batch.entries.iter().zip(&values) {
                answers.push(answer(entry, value)?);
            }
        }
        let nodes = u16::try_from(peers).unwrap_or(u16::MAX);
        Ok(Reply { secret, nodes, epoch: 0, answers })
    }

    async fn connection(&self) -> Result<Connection> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok(connection.clone());
        }
        let connection = match &self.address {
            Address::Single(client) => {
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)))
                    .set_response_timeout(Some(Duration::from_millis(ANSWER_MS_MAX)))
                    .set_number_of_retries(0);
                Connection::Single(
                    ConnectionManager::new_with_config(client.clone(), config).await?,
                )
            }
            Address::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        };
        state.connection = Some(connection.clone());
        Ok(connection)
    }

    /// The script is there, and the secret that all nodes share.
    async fn prepare(&self, connection: &mut Connection) -> Result<[u8; 16]> {
        let (secret, loaded) = {
            let state = self.state.lock().await;
            (state.secret, state.loaded)
        };
        if !loaded {
            self.load(connection).await?;
        }
        if let Some(secret) = secret {
            return Ok(secret);
        }
        let mut fresh = [0_u8; 16];
        getrandom::fill(&mut fresh).map_err(|error| CountersError::Random(error.to_string()))?;
        let mut set = redis::cmd("SET");
        set.arg(SECRET_KEY).arg(&fresh[..]).arg("NX");
        connection.command(&set).await?;
        let mut get = redis::cmd("GET");
        get.arg(SECRET_KEY);
        let found: Vec<u8> = redis::from_redis_value(connection.command(&get).await?)
            .map_err(|_| CountersError::Form)?;
        let secret: [u8; 16] = found.try_into().map_err(|_| CountersError::Form)?;
        self.state.lock().await.secret = Some(secret);
        Ok(secret)
    }

    async fn load(&self, connection: &mut Connection) -> Result<()> {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(SCRIPT);
        connection.command(&load).await?;
        self.state.lock().await.loaded = true;
        Ok(())
    }

    /// Says that the node is there, and learns who else is.
    async fn greet(&self, connection: &mut Connection, node: &str) -> Result<()> {
        let time = redis::cmd("TIME");
        let value = connection.command(&time).await?;
        let (seconds, micros): (u64, u64) =
            redis::from_redis_value(value).map_err(|_| CountersError::Form)?;
        let now_us = seconds * 1_000_000 + micros;
        let mut note = redis::cmd("HSET");
        note.arg(NODES_KEY).arg(node).arg(now_us);
        connection.command(&note).await?;
        let mut all = redis::cmd("HGETALL");
        all.arg(NODES_KEY);
        let seen_us: HashMap<String, u64> =
            redis::from_redis_value(connection.command(&all).await?)
                .map_err(|_| CountersError::Form)?;
        for (gone, _) in seen_us.iter().filter(|(_, seen)| *seen + 2 * SILENT_US < now_us) {
            let mut drop = redis::cmd("HDEL");
            drop.arg(NODES_KEY).arg(gone);
            connection.command(&drop).await?;
        }
        let mut state = self.state.lock().await;
        state.seen_us = seen_us;
        state.now_us = now_us;
        Ok(())
    }

    /// The nodes that fell silent, and how many there are in all.
    async fn peers(&self) -> (String, usize) {
        let state = self.state.lock().await;
        let age_us = |seen: u64| state.now_us.saturating_sub(seen);
        let there = state.seen_us.iter().filter(|(_, seen)| age_us(**seen) < SILENT_US);
        let silent: Vec<&str> = there
            .clone()
            .filter(|(_, seen)| age_us(**seen) >= ACTIVE_US)
            .map(|(node, _)| node.as_str())
            .collect();
        (silent.join(","), there.count().max(1))
    }

    fn pipe(&self, node: &str, entries: &[Entry], silent: &str, peers: usize) -> Pipeline {
        let mut pipe = Pipeline::with_capacity(entries.len());
        for entry in entries {
            let terms = &entry.terms;
            pipe.cmd("EVALSHA")
                .arg(self.script.get_hash())
                .arg(1)
                .arg(format!("tidegate:limits:{{{:016x}}}", entry.key))
                .arg(node)
                .arg(terms.emission_ns as f64 / 1000.0)
                .arg(terms.burst)
                .arg(terms.left_ms)
                .arg(f64::from(terms.near) / 65535.0)
                .arg(entry.life)
                .arg(entry.used)
                .arg(entry.unheard)
                .arg(entry.span_us)
                .arg(entry.late_us)
                .arg(entry.offered)
                .arg(entry.has)
                .arg(entry.ask)
                .arg(entry.must)
                .arg(ACTIVE_US)
                .arg(SYNC_US)
                .arg(peers)
                .arg(silent);
        }
        pipe
    }
}

impl Connection {
    async fn command(&mut self, command: &redis::Cmd) -> Result<Value> {
        Ok(match self {
            Self::Single(connection) => connection.req_packed_command(command).await?,
            Self::Cluster(connection) => connection.req_packed_command(command).await?,
        })
    }
}

async fn run(connection: &mut Connection, pipe: &Pipeline) -> Result<Vec<Value>> {
    let count = pipe.len();
    let values = match connection {
        Connection::Single(connection) => connection.req_packed_commands(pipe, 0, count).await?,
        Connection::Cluster(connection) => {
            // Keys of a batch lie in different slots, which different servers have.
            let send = |command: &redis::Cmd| {
                let (mut connection, command) = (connection.clone(), command.clone());
                async move { connection.req_packed_command(&command).await }
            };
            let sent = stream::iter(pipe.cmd_iter()).map(send).buffered(COMMANDS_AT_ONCE);
            sent.try_collect().await?
        }
    };
    values.into_iter().map(|value| value.extract_error().map_err(CountersError::from)).collect()
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.code() == Some("NOSCRIPT")
}

fn answer(entry: &Entry, value: &Value) -> Result<Answer> {
    let numbers: Vec<u64> =
        redis::from_redis_value(value.clone()).map_err(|_| CountersError::Form)?;
    let [granted, leased, left, wait_us, admit, share, exact] = numbers[..] else {
        return Err(CountersError::Form);
    };
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let part = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    Ok(Answer {
        key: entry.key,
        heard: entry.used,
        granted: small(granted),
        leased: small(leased),
        left: small(left),
        wait_us: small(wait_us),
        admit: part(admit),
        share: part(share),
        exact: exact > 0,
        refused: false,
    })
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis(..)")
    }
}
