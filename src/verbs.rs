//! The table of verbs. Parsing, help and completions are made from it.

use crate::{
    admin, anomalies,
    cli::{Opt, Verb},
    limits, plugin, programs, sign, up,
};

const fn opt(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> Opt {
    Opt { name, value, default, help }
}

const SUPERVISED: &[Opt] =
    &[opt("supervised", "", "", "end when standard input closes (used by `tidegate up`)")];

const FLEET: &[Opt] = &[
    opt("server", "URL", "http://127.0.0.1:9070", "the control plane"),
    opt(
        "token-file",
        "FILE",
        "data/control-plane/root.token",
        "an admin token; TIDEGATE_TOKEN goes before it",
    ),
    opt("json", "", "", "print JSON"),
];

const CONFIG: &[Opt] = &[opt("config", "TEXT", "", "the plugin's configuration; @file reads it")];

/// Every verb.
pub(crate) const VERBS: &[Verb] = &[
    Verb {
        name: "up",
        arguments: "",
        summary: "run a control plane, an edge and the origin services on this machine, with the demo",
        options: &[&[
            opt("data", "DIR", "data", "where everything is kept"),
            opt("conf", "DIR", "conf/demo", "folder with the spec.yaml to start with"),
            opt("listen", "ADDR", "127.0.0.1:8080", "the edge"),
            opt("admin", "ADDR", "127.0.0.1:8081", "the edge's admin pages"),
            opt("control", "ADDR", "127.0.0.1:9070", "the control plane"),
            opt("services", "ADDR", "127.0.0.1:9080", "the origin services"),
            opt("threads", "N", "", "the edge's worker threads; one a core by default"),
        ]],
        run: up::up,
    },
    Verb {
        name: "edge",
        arguments: "",
        summary: "run a data plane node",
        options: &[
            &[
                opt(
                    "listen",
                    "ADDR",
                    "",
                    "where clients connect: ADDRESS:PORT or unix:/path, behind tls: with TLS; may repeat [127.0.0.1:8080]",
                ),
                opt("upgrade", "", "", "take over from the edge that runs with this data folder"),
                opt("origin", "URL", "", "be a caching reverse proxy in front of this server"),
                opt("spec", "FILE", "", "run one node from a spec file and follow its changes"),
                opt("control-plane", "URL", "", "take the configuration from a control plane"),
                opt("token-file", "FILE", "", "the node's token for the control plane"),
                opt(
                    "config",
                    "FILE",
                    "",
                    "node file, such as conf/edge.toml; options go before it",
                ),
                opt("node", "NAME", "", "the node's name in the fleet [edge]"),
                opt("data", "DIR", "", "where the node keeps things [data/edge]"),
                opt("admin", "ADDR", "", "metrics and admin pages, or `off` [127.0.0.1:8081]"),
                opt(
                    "cache-memory",
                    "SIZE",
                    "",
                    "bytes of the cache in memory, such as 512MiB [256MiB]",
                ),
                opt("cache-disk", "SIZE", "", "bytes of the cache on disk, such as 10GiB [none]"),
                opt("threads", "N", "", "worker threads; one a core by default"),
                opt(
                    "access-log",
                    "FILE",
                    "",
                    "JSON lines; `-` for standard output, `off` for none [off]",
                ),
            ],
            SUPERVISED,
        ],
        run: programs::edge,
    },
    Verb {
        name: "control-plane",
        arguments: "",
        summary: "run the control plane of a fleet",
        options: &[
            &[
                opt("listen", "ADDR", "127.0.0.1:9070", "where nodes and administrators connect"),
                opt("data", "DIR", "data/control-plane", "database, blobs and first tokens"),
                opt(
                    "db",
                    "URL",
                    "",
                    "sqlite:PATH or postgres://...; a file in the data folder by default",
                ),
                opt("token-file", "FILE", "", "the first admin's token; made when it is missing"),
                opt(
                    "seal-file",
                    "FILE",
                    "",
                    "the key that secrets are sealed with; the same for all on one database",
                ),
                opt(
                    "advertise",
                    "HOST:PORT",
                    "",
                    "where others on the same database reach this one",
                ),
            ],
            SUPERVISED,
        ],
        run: programs::control_plane,
    },
    Verb {
        name: "origin",
        arguments: "",
        summary: "run origin services",
        options: &[
            &[
                opt("listen", "ADDR", "127.0.0.1:9080", "where edges connect"),
                opt("data", "DIR", "data/origin", "databases and files"),
                opt(
                    "db",
                    "URL",
                    "",
                    "sqlite:PATH or postgres://...; files in the data folder by default",
                ),
                opt("only", "NAMES", "", "services to run, comma separated; all by default"),
                opt("public", "URL", "http://127.0.0.1:8080", "how clients reach the edge"),
                opt(
                    "control-plane",
                    "URL",
                    "",
                    "where settings come from and changes are announced",
                ),
                opt("token-file", "FILE", "", "the service's token for the control plane"),
            ],
            SUPERVISED,
        ],
        run: programs::origin,
    },
    Verb {
        name: "status",
        arguments: "",
        summary: "who runs which revision, and is well",
        options: &[FLEET],
        run: admin::status,
    },
    Verb {
        name: "config apply",
        arguments: "FILE",
        summary: "make a spec file the fleet's configuration",
        options: &[
            FLEET,
            &[
                opt("message", "TEXT", "", "why, for the history"),
                opt("no-wait", "", "", "do not wait until every live node runs it"),
            ],
        ],
        run: admin::config_apply,
    },
    Verb {
        name: "config validate",
        arguments: "FILE",
        summary: "check a spec file and show what it would change",
        options: &[FLEET, &[opt("offline", "", "", "check without a control plane")]],
        run: admin::config_validate,
    },
    Verb {
        name: "config get",
        arguments: "",
        summary: "print the fleet's configuration, secrets left out",
        options: &[FLEET],
        run: admin::config_get,
    },
    Verb {
        name: "config history",
        arguments: "",
        summary: "the last revisions",
        options: &[FLEET],
        run: admin::config_history,
    },
    Verb {
        name: "config rollback",
        arguments: "REVISION",
        summary: "make an old revision's spec the newest one",
        options: &[FLEET],
        run: admin::config_rollback,
    },
    Verb {
        name: "purge",
        arguments: "[URL...]",
        summary: "remove content from every edge's cache",
        options: &[
            FLEET,
            &[
                opt("tag", "TAG", "", "everything that carries this tag; may repeat"),
                opt("prefix", "URL", "", "every URL that begins so; may repeat"),
                opt("host", "HOST", "", "everything of a host; may repeat"),
                opt("all", "", "", "everything"),
                opt("soft", "", "", "mark it stale instead of removing it"),
                opt("wait", "MS", "5000", "how long to wait for the edges"),
                opt(
                    "admin",
                    "URL",
                    "",
                    "only this edge, by its admin pages, without a control plane",
                ),
            ],
        ],
        run: admin::purge,
    },
    Verb {
        name: "plugin new",
        arguments: "NAME [FOLDER]",
        summary: "make a first rule: a folder with source, tests, cases and the SDK",
        options: &[&[opt("sdk", "FOLDER", "", "use the SDK in this folder instead of a copy")]],
        run: plugin::new,
    },
    Verb {
        name: "plugin build",
        arguments: "[FOLDER]",
        summary: "build a rule's module to dist/",
        options: &[],
        run: plugin::build,
    },
    Verb {
        name: "plugin test",
        arguments: "[MODULE] [CASES]",
        summary: "run a module's test cases in the very host of the edge",
        options: &[&[opt("logs", "", "", "show what it logged also where the case passed")]],
        run: plugin::test,
    },
    Verb {
        name: "plugin bench",
        arguments: "[MODULE]",
        summary: "measure what a module costs a request",
        options: &[CONFIG],
        run: plugin::bench,
    },
    Verb {
        name: "plugin inspect",
        arguments: "[MODULE]",
        summary: "what a module is: version, imports, what is missing, memory, hash",
        options: &[&[opt("json", "", "", "print JSON")]],
        run: plugin::inspect,
    },
    Verb {
        name: "plugin replay",
        arguments: "LOG",
        summary: "take an access log through two versions of a module and show the differences",
        options: &[&[
            opt("old", "MODULE", "", "the version that runs"),
            opt("new", "MODULE", "", "the version that is to run"),
            opt("old-config", "TEXT", "", "configuration of the old one; @file reads it"),
            opt("new-config", "TEXT", "", "configuration of the new one; the old one's by default"),
            opt("spec", "FILE", "", "the specification whose lists both of them ask"),
            opt("show", "N", "20", "differences to print"),
        ]],
        run: plugin::replay,
    },
    Verb {
        name: "plugin conformance",
        arguments: "[MODULE...]",
        summary: "bring modules into every situation; without one, run the host's own suite",
        options: &[
            CONFIG,
            &[
                opt("url", "URL", "", "put the suite's questions to a host that runs its module"),
                opt("write-module", "FILE", "", "write the suite's module, for another host"),
            ],
        ],
        run: plugin::conformance,
    },
    Verb {
        name: "plugin sign",
        arguments: "[MODULE]",
        summary: "sign a module (Ed25519) and print what a spec says of it",
        options: &[&[opt(
            "key",
            "FILE",
            "plugin.key",
            "the key, PKCS #8; made when it is missing",
        )]],
        run: plugin::sign,
    },
    Verb {
        name: "plugin push",
        arguments: "[MODULE]",
        summary: "have the control plane check a module and enter it in the registry",
        options: &[
            FLEET,
            &[
                opt("name", "NAME", "", "its name; from Cargo.toml by default"),
                opt("version", "VERSION", "", "its version; from Cargo.toml by default"),
                opt("cases", "FILE", "", "its test cases; cases.toml where there is one"),
                opt("key", "FILE", "", "sign it with this key"),
            ],
        ],
        run: plugin::push,
    },
    Verb {
        name: "plugin list",
        arguments: "",
        summary: "what is in the registry",
        options: &[FLEET],
        run: plugin::list,
    },
    Verb {
        name: "link create",
        arguments: "URL",
        summary: "make a short link",
        options: &[&[
            opt("service", "URL", "http://127.0.0.1:8080", "where the links service is reached"),
            opt("alias", "CODE", "", "the code to use"),
        ]],
        run: admin::link_create,
    },
    Verb {
        name: "sign",
        arguments: "URL",
        summary: "sign a URL with a key of a spec file",
        options: &[&[
            opt(
                "secret",
                "BASE64URL",
                "",
                "the HMAC key or Ed25519 seed; TIDEGATE_SECRET goes before it",
            ),
            opt("algorithm", "WORD", "hmac-sha256", "hmac-sha256 or ed25519"),
            opt("key", "ID", "demo", "the key's id"),
            opt("expires", "DURATION", "10m", "how long the signature is good"),
            opt("not-before", "DURATION", "", "from when on, counted from now"),
            opt("prefix", "", "", "sign everything below the URL's folder"),
            opt("glob", "PATTERN", "", "sign every path of this pattern in place of the URL's own"),
            opt("client", "PREFIX", "", "only for this address or range, such as 192.0.2.0/24"),
            opt("host", "NAME", "", "only for this host"),
            opt("method", "METHOD", "", "only for this method; may repeat [GET, HEAD, OPTIONS]"),
            opt("country", "CC", "", "only for this country; may repeat"),
            opt("session", "TEXT", "", "the session it belongs to"),
            opt("uses", "N", "", "how often it may be used"),
            opt(
                "in",
                "PLACE",
                "query",
                "where it stands: query, path, or alone as the token itself",
            ),
        ]],
        run: sign::sign,
    },
    Verb {
        name: "sign keygen",
        arguments: "",
        summary: "make a key for a keyset; of an Ed25519 key its public half too",
        options: &[&[opt("algorithm", "WORD", "hmac-sha256", "hmac-sha256 or ed25519")]],
        run: sign::keygen,
    },
    Verb {
        name: "warm",
        arguments: "URL...",
        summary: "have an edge fetch URLs into its cache, and what playlists among them name",
        options: &[&[
            opt("admin", "URL", "http://127.0.0.1:8081", "the edge's admin pages"),
            opt("segments", "N", "3", "segments of each playlist"),
        ]],
        run: admin::warm,
    },
    Verb {
        name: "anomalies",
        arguments: "",
        summary: "clients and routes that stand out: on all nodes, or with --admin on one",
        options: &[
            FLEET,
            &[
                opt("admin", "URL", "", "the admin address of one node, http://127.0.0.1:8081"),
                opt("limit", "NAME", "", "with --admin and --value: the limit of one client"),
                opt("value", "KEY", "", "the client's key as it sends it; its line is shown alone"),
            ],
        ],
        run: anomalies::anomalies,
    },
    Verb {
        name: "limits",
        arguments: "",
        summary: "what the limits of an edge decided, and which keys they deny most",
        options: &[&[
            opt("admin", "URL", "http://127.0.0.1:8081", "the edge's admin pages"),
            opt("top", "N", "20", "denied keys to list"),
            opt("json", "", "", "print JSON"),
        ]],
        run: limits::list,
    },
    Verb {
        name: "limits set",
        arguments: "LIMIT VALUE...",
        summary: "other numbers for one key of a limit, on all nodes within the second",
        options: &[
            &[
                opt("rate", "RATE", "", "such as 100/s"),
                opt("burst", "N", "", "tokens of a full bucket"),
                opt("at-once", "N", "", "requests at the same time"),
                opt("block", "", "", "deny all of its requests"),
                opt("free", "", "", "do not count it"),
            ],
            FLEET,
        ],
        run: limits::set,
    },
    Verb {
        name: "limits unset",
        arguments: "LIMIT VALUE...",
        summary: "the spec's numbers for that key again",
        options: &[FLEET],
        run: limits::unset,
    },
    Verb {
        name: "limits switch",
        arguments: "LIMIT off|on|shadow|N%|spec",
        summary: "switch a limit off, or enforce it on a share of the keys, without a new revision",
        options: &[FLEET],
        run: limits::switch,
    },
    Verb {
        name: "explain",
        arguments: "URL",
        summary: "what an edge's cache knows of a URL, and why it does what it does",
        options: &[&[opt("admin", "URL", "http://127.0.0.1:8081", "the edge's admin pages")]],
        run: admin::explain,
    },
];
