//! The one background task of a mesh: it runs the checks and turns their results into endpoint sets.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::Instant;

use super::World;
use super::mesh::Inner;
use super::scope::{Board, InstanceHealth};
use crate::catalog::CheckRecord;
use crate::health::{CheckEvent, CheckKey, CheckSpec, Probe, ProbeKind, Scheduler};

/// Health changes that arrive within this time become one endpoint set.
const COALESCE: Duration = Duration::from_millis(5);

pub(super) async fn run(
    mesh: Weak<Inner>,
    mut world: watch::Receiver<u64>,
    mut used: UnboundedReceiver<Arc<str>>,
    probe: impl Probe,
) {
    let mut scheduler = Scheduler::new(probe);
    let mut dirty = BTreeSet::new();
    let mut due: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            changed = world.changed() => {
                let Some(inner) = changed.ok().and_then(|()| mesh.upgrade()) else { return };
                set_checks(&inner, &mut scheduler);
            }
            service = used.recv() => {
                let Some(inner) = service.and_then(|_| mesh.upgrade()) else { return };
                set_checks(&inner, &mut scheduler);
            }
            () = at(due) => {
                let Some(inner) = mesh.upgrade() else { return };
                let services: Vec<Arc<str>> = std::mem::take(&mut dirty).into_iter().collect();
                due = None;
                // Scopes before the board, as everywhere.
                let scopes = inner.scopes();
                let board = inner.board();
                for scope in scopes {
                    scope.refresh(&services, &inner.workshop(&board));
                }
            }
            event = scheduler.next() => {
                let Some(inner) = mesh.upgrade() else { return };
                let world = inner.world.snapshot();
                if let Some(service) = note(&mut inner.board(), &world, &scheduler, event) {
                    dirty.insert(service);
                    due.get_or_insert_with(|| Instant::now() + COALESCE);
                }
            }
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Checks the instances of every service that a scope calls.
fn set_checks<P: Probe>(inner: &Inner, scheduler: &mut Scheduler<P>) {
    let world = inner.world.snapshot();
    let services: BTreeSet<Arc<str>> = inner
        .scopes()
        .iter()
        .flat_map(|scope| scope.called())
        .collect();
    let instances = services
        .iter()
        .flat_map(|service| world.catalog.instances(service));
    let specs = instances.flat_map(|instance| {
        let specs = world
            .checks
            .get(&instance.id)
            .map_or(&[][..], Vec::as_slice);
        specs
            .iter()
            .map(|spec| (key(&instance.id, spec), spec.clone()))
    });
    scheduler.set(specs);
    inner
        .board()
        .retain(|id, _| world.instances.contains_key(id));
}

fn key(instance: &Arc<str>, spec: &CheckSpec) -> CheckKey {
    CheckKey {
        instance: Arc::clone(instance),
        check: Arc::clone(&spec.id),
    }
}

/// Writes a result down. Returns the service whose endpoints it changes.
fn note<P: Probe>(
    board: &mut Board,
    world: &World,
    scheduler: &Scheduler<P>,
    event: CheckEvent,
) -> Option<Arc<str>> {
    let id = &event.key.instance;
    let instance = world.instances.get(id)?;
    let specs = world.checks.get(id)?;
    let before = board.remove(id).unwrap_or_default();
    let mut settled = true;
    let mut checks = Vec::with_capacity(specs.len());
    for spec in specs {
        let Some((status, probed)) = scheduler.state(&key(id, spec)) else {
            continue;
        };
        settled &= probed;
        let known = before
            .checks
            .iter()
            .find(|check| *check.check_id == *spec.id);
        let output = match *spec.id == *event.key.check {
            true => event.output.clone(),
            false => known.map(|check| check.output.clone()).unwrap_or_default(),
        };
        checks.push(CheckRecord {
            check_id: spec.id.to_string(),
            name: spec.name.clone(),
            node: instance.node.name.clone(),
            status,
            output,
            service_id: instance.id.to_string(),
            service_name: instance.service.to_string(),
            service_tags: instance.tags.clone(),
            kind: match spec.kind {
                ProbeKind::Tcp { .. } => "tcp".into(),
                ProbeKind::Http { .. } => "http".into(),
            },
            ..CheckRecord::default()
        });
    }
    if event.changed {
        tracing::info!(
            instance = &**id,
            check = &*event.key.check,
            status = event.status.as_str(),
            output = event.output,
            "check"
        );
    }
    let changed = event.changed || settled != before.settled;
    board.insert(Arc::clone(id), InstanceHealth { checks, settled });
    changed.then(|| Arc::clone(&instance.service))
}
