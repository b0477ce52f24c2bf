use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::testing::{engines, prepare_all};
use crate::{Address, Db, Error, Migration, Options, Result, Val, params, statements};

static MIGRATIONS: &[Migration] = &[Migration::new(
    "001_init",
    "CREATE TABLE stock (sku TEXT PRIMARY KEY, n BIGINT NOT NULL CHECK (n >= 0), note TEXT, raw BYTEA);
     CREATE INDEX stock_n ON stock (n);",
)];
static OPTIONS: Options = Options::new("demo", MIGRATIONS);

statements! {
    STATEMENTS:
    STOCK_ADD = "INSERT INTO stock (sku, n, note, raw) VALUES ($1, $2, $3, $4)";
    STOCK_FIND = "SELECT sku, n, note, raw FROM stock WHERE sku = $1";
    STOCK_TAKE = "UPDATE stock SET n = n - $2 WHERE sku = $1 AND n >= $2 RETURNING n";
    STOCK_COUNT = "SELECT COUNT(*), CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM stock";
    STOCK_SWAPPED = "SELECT sku FROM stock WHERE n = $2 AND sku = $1";
    STOCK_CLAIM = "SELECT sku FROM stock WHERE n > $1 ORDER BY sku LIMIT $2 {lock}";
}

fn spawnable<F: Future + Send + 'static>(f: F) -> F {
    f
}

async fn add(db: &Db, sku: &str, n: i64) -> Result<()> {
    let sku = sku.to_owned();
    db.write(async move |tx| {
        tx.exec(&STOCK_ADD, params![&sku, n, None::<&str>, vec![1u8, 2]]).await?;
        Ok(())
    })
    .await
}

async fn take(db: Db, sku: String, n: i64) -> Result<Option<i64>> {
    db.write(async move |tx| {
        let left = tx.opt::<(i64,)>(&STOCK_TAKE, params![&sku, n]).await?;
        Ok(left.map(|(n,)| n))
    })
    .await
}

async fn count(db: &Db) -> (i64, i64) {
    let counted: Result<_> = db.read(async |tx| tx.one(&STOCK_COUNT, params![]).await).await;
    counted.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_is_prepared_on_both_engines() {
    for world in engines(&OPTIONS).await {
        let refused = prepare_all(&world.db, STATEMENTS).await;
        assert!(refused.is_empty(), "{}: {refused:?}", world.db.engine());
        assert!(prepare_all(&world.db, crate::migrate::STATEMENTS).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_come_back_and_numbers_in_placeholders_count() {
    for world in engines(&OPTIONS).await {
        add(&world.db, "a", 7).await.unwrap();
        type Full = (String, u64, Option<String>, Vec<u8>);
        let row: Result<Full> =
            world.db.read(async |tx| tx.one(&STOCK_FIND, params!["a"]).await).await;
        assert_eq!(row.unwrap(), ("a".into(), 7, None, vec![1, 2]));
        let row: Result<(String,)> =
            world.db.read(async |tx| tx.one(&STOCK_SWAPPED, params!["a", 7i64]).await).await;
        assert_eq!(row.unwrap().0, "a");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_or_a_panic_undoes_only_its_own_closure() {
    for world in engines(&OPTIONS).await {
        let db = &world.db;
        add(db, "a", 1).await.unwrap();
        assert!(matches!(add(db, "a", 1).await, Err(Error::Unique { .. })));
        assert!(matches!(add(db, "b", -1).await, Err(Error::Constraint { .. })));
        let failed: Result<()> = db
            .write(async |tx| {
                tx.exec(&STOCK_ADD, params!["c", 1i64, Val::Null, Val::Null]).await?;
                Err(Error::Closed)
            })
            .await;
        assert!(failed.is_err());
        let owned = db.clone();
        let panicked = tokio::spawn(async move {
            let out: Result<()> = owned
                .write(async |tx| {
                    tx.exec(&STOCK_ADD, params!["d", 1i64, Val::Null, Val::Null]).await?;
                    panic!("on purpose")
                })
                .await;
            out
        })
        .await;
        assert!(!matches!(panicked, Ok(Ok(()))));
        add(db, "e", 1).await.unwrap();
        assert_eq!(count(db).await, (2, 2), "{}", db.engine());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_takers_never_take_more_than_there_is() {
    for world in engines(&OPTIONS).await {
        add(&world.db, "hot", 150).await.unwrap();
        let takers: Vec<_> = (0..200)
            .map(|_| tokio::spawn(spawnable(take(world.db.clone(), "hot".into(), 1))))
            .collect();
        let mut taken = 0;
        for taker in takers {
            taken += u32::from(taker.await.unwrap().unwrap().is_some());
        }
        assert_eq!((taken, count(&world.db).await.1), (150, 0), "{}", world.db.engine());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deferred_statements_and_hooks_follow_the_commit() {
    for world in engines(&OPTIONS).await {
        let called = Arc::new(AtomicU32::new(0));
        let hook = Arc::clone(&called);
        let done: Result<()> = world
            .db
            .write(async move |tx| {
                tx.defer(&STOCK_ADD, params!["late", 1i64, Val::Null, Val::Null].to_vec());
                let hook = Arc::clone(&hook);
                tx.after_commit(move || _ = hook.fetch_add(1, Ordering::SeqCst));
                Ok(())
            })
            .await;
        done.unwrap();
        assert_eq!((count(&world.db).await.0, called.load(Ordering::SeqCst)), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_migration_is_refused_and_a_second_start_is_not() {
    static CHANGED: Options =
        Options::new("demo", &[Migration::new("001_init", "CREATE TABLE stock (x BIGINT)")]);
    for world in engines(&OPTIONS).await {
        add(&world.db, "a", 1).await.unwrap();
        let again = Db::open(&world.address, &OPTIONS).await.unwrap();
        assert_eq!(count(&again).await, (1, 1));
        let changed = Db::open(&world.address, &CHANGED).await;
        assert!(matches!(changed.err(), Some(Error::MigrationChanged(_))));
    }
}

#[test]
fn addresses() {
    assert_eq!(Address::parse("sqlite:./a.db").unwrap(), Address::Lite("./a.db".into()));
    assert_eq!(Address::parse("sqlite:///a.db").unwrap(), Address::Lite("/a.db".into()));
    assert!(matches!(Address::parse("postgres://x/y").unwrap(), Address::Pg(_)));
    for bad in ["", "sqlite:", "mysql://x", "data.db"] {
        assert!(matches!(Address::parse(bad), Err(Error::Address(_))), "{bad}");
    }
}
