//! A store made by hand: what it sells and says. It has no socket and no timer of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use percolate_common::crdt::stock::{StockDigest, StockTotal};
use percolate_common::domain::event::{ClockQuality, Event, Header, StoreDescribed};
use percolate_common::domain::tickets::SeriesOpened;
use percolate_common::domain::tickets::receipt::{ReceiptNumber, Series, TerminalName};
use percolate_common::hlc::Hlc;
use percolate_common::ids::{NodeId, StockItemId, StoreId, TicketId};
use percolate_common::journal::{AuthorId, Head, Incarnation, JournalId, SigningKey, StreamKind};
use percolate_common::money::Currency;
use percolate_common::sync::greeting::Greeting;
use percolate_common::sync::outbound::Outbound;
use percolate_common::time::{Clock as _, StoreCalendar};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{
    Ack, FromHub, FromNode, Hello, LifeStock, Mark, Position, Resend, SignedHead, Verdict, Welcome,
};
use percolate_common::wire::topic::Topic;
use percolate_common::wire::{WIRE_VERSION, WIRE_VERSION_MIN, event};
use percolate_runtime::system::SystemClock;
use system_tests::harness::NodeSpec;

use super::board::{Board, add};
use super::chain::Chain;

const ZONE: &str = "America/New_York";
const CUTOVER_HOUR: u8 = 4;

/// What is to be published.
pub(super) type Frame = (Topic, Vec<u8>);

/// A store and its node.
pub(super) struct Store {
    /// Its place among the simulated ones, from 0.
    pub(super) place: usize,
    pub(super) spec: NodeSpec,
    pub(super) boot: u64,
    board: Arc<Board>,
    key: SigningKey,
    calendar: StoreCalendar,
    terminal: TerminalName,
    hlc: Hlc,
    sales: Chain,
    ops: Chain,
    /// Heads as they were last signed: a signature costs more than all else here.
    signed: BTreeMap<StreamKind, (u64, SignedHead)>,
    /// What it has taken of the stock room in its life.
    stock: BTreeMap<StockItemId, StockTotal>,
    tickets: u64,
    /// How far it has read the hub's journals.
    down: BTreeMap<JournalId, Head>,
    greeting: Greeting,
    greetings: u64,
    /// Whether it has vouched for all in this session.
    marked: bool,
    outbound: Outbound,
    pub(super) to_say: Vec<Frame>,
}

impl Store {
    /// A store at its first start.
    pub(super) fn new(place: usize, board: Arc<Board>) -> Result<Self> {
        let spec = NodeSpec::store(u32::try_from(place)? + 1);
        let incarnation = Incarnation::new((u64::from(spec.node) << 32) + 1);
        let journal = |stream| JournalId { author: AuthorId::node(NodeId::new(spec.node)), incarnation, stream };
        let mut seed = [0x5e; 32];
        seed.iter_mut().zip(spec.node.to_be_bytes()).for_each(|(byte, of_node)| *byte = of_node);
        let (sales, ops) = (Chain::new(journal(StreamKind::Sales)), Chain::new(journal(StreamKind::Ops)));
        let mut store = Self {
            place,
            boot: u64::from(spec.node),
            board,
            key: SigningKey::from_random(&seed)?,
            calendar: StoreCalendar::new(ZONE, CUTOVER_HOUR)?,
            terminal: "T1".parse()?,
            hlc: Hlc::default(),
            sales,
            ops,
            signed: BTreeMap::new(),
            stock: BTreeMap::new(),
            tickets: 0,
            down: BTreeMap::new(),
            greeting: Greeting::default(),
            greetings: 0,
            marked: false,
            outbound: Outbound::default(),
            to_say: Vec::new(),
            spec,
        };
        let described = StoreDescribed {
            name: store.spec.name.clone(),
            zone: ZONE.to_owned(),
            cutover_hour: CUTOVER_HOUR,
            currency: Currency::USD,
        };
        store.write(&Event::StoreDescribed(described), Duration::ZERO)?;
        let opened = SeriesOpened { terminal: store.terminal.clone(), series: Series::first() };
        store.write(&Event::SeriesOpened(opened), Duration::ZERO)?;
        Ok(store)
    }

    pub(super) const fn board(&self) -> &Arc<Board> {
        &self.board
    }

    pub(super) const fn node(&self) -> NodeId {
        NodeId::new(self.spec.node)
    }

    fn write(&mut self, event: &Event, now: Duration) -> Result<()> {
        let at = SystemClock.now();
        self.hlc = self.hlc.tick(at);
        let header = Header {
            store: StoreId::new(self.spec.store),
            at,
            hlc: self.hlc,
            business_day: self.calendar.business_day(at),
            clock: ClockQuality::Good,
            zone: ZONE.to_owned(),
        };
        let bytes = event::encode(&header, event, None)?;
        let chain = if event.stream() == StreamKind::Sales { &mut self.sales } else { &mut self.ops };
        let size = u64::try_from(bytes.len())?;
        chain.push(bytes);
        self.outbound.appended(chain.id, chain.head().seq, size, now);
        Ok(())
    }

    /// Sells what was due at a time.
    pub(super) fn sell(&mut self, due: Duration, now: Duration) -> Result<()> {
        self.tickets += 1;
        let key = format!("key-{}", self.tickets);
        let id = TicketId::sold(SystemClock.now().get(), self.spec.node, &key);
        let receipt = ReceiptNumber { terminal: self.terminal.clone(), series: Series::first(), number: self.tickets };
        let event = Event::TicketSold(self.board.sale()?.numbered(id, receipt));
        for moved in event.stock_effects() {
            let total = self.stock.entry(moved.stock_item).or_default();
            *total = total.moved(moved.quantity)?;
        }
        self.write(&event, now)?;
        self.board.sold(self.place, due);
        Ok(())
    }

    pub(super) fn connected(&mut self, now: Duration) {
        self.greeting.connected(now);
    }

    pub(super) fn disconnected(&mut self) {
        self.greeting.disconnected();
        self.outbound.stop();
        self.to_say.clear();
    }

    pub(super) fn in_session(&self) -> bool {
        self.greeting.session().is_some()
    }

    /// When to call [`Store::act`] again, if nothing else happens.
    pub(super) fn next_due(&self) -> Option<Duration> {
        [self.greeting.next_due(), self.outbound.next_due()].into_iter().flatten().min()
    }

    fn say(&mut self, message: &FromNode) -> Result<()> {
        self.to_say.push((Topic::UpSession(self.node()), message.encode()?));
        Ok(())
    }

    /// The head of a journal with its signature; a head that did not move is not signed again.
    fn vouch(&mut self, stream: StreamKind) -> SignedHead {
        let chain = if stream == StreamKind::Sales { &self.sales } else { &self.ops };
        let (id, head) = (chain.id, chain.head());
        if let Some((_, signed)) = self.signed.get(&stream).filter(|(seq, _)| *seq == head.seq) {
            return signed.clone();
        }
        let signed = SignedHead::sign(&self.key, &id, &head);
        self.signed.insert(stream, (head.seq, signed.clone()));
        signed
    }

    /// Signs what the next greeting says, so that a storm of greetings measures the hub and not these signatures, which
    /// a chain makes on as many machines as it has stores.
    pub(super) fn prepare(&mut self) {
        self.vouch(StreamKind::Sales);
        self.vouch(StreamKind::Ops);
    }

    /// Puts into `to_say` all that is due.
    pub(super) fn act(&mut self, now: Duration) -> Result<()> {
        if self.greeting.take_due(now) {
            self.greetings += 1;
            self.marked = false;
            let hello = Hello {
                wire_min: WIRE_VERSION_MIN,
                wire_max: WIRE_VERSION,
                incarnation: self.sales.id.incarnation.get(),
                store: self.spec.store,
                machine: [1; 16].into(),
                boot: self.boot,
                now_ms: SystemClock.now().get(),
                public_key: (*self.key.public_key().as_bytes()).into(),
                heads: vec![self.vouch(StreamKind::Sales), self.vouch(StreamKind::Ops)],
                positions: self.down.iter().map(|(journal, head)| position(journal, head)).collect(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                marks: None,
                number: Some(self.greetings),
            };
            self.say(&FromNode::Hello(hello))?;
        }
        let Some(session) = self.greeting.session() else { return Ok(()) };
        while let Some(due) = self.outbound.next_send(now) {
            let chain = if due.journal == self.sales.id { &self.sales } else { &self.ops };
            let Some((hash_before, events)) = chain.portion(due.seq_lo) else { anyhow::bail!("{due:?} is not kept") };
            let mut batch = Batch {
                journal: due.journal,
                seq_lo: due.seq_lo,
                hash_before,
                events,
                stock_totals: Vec::new(),
                sent_at: SystemClock.now(),
                session,
                last_seq: chain.head().seq,
            };
            if due.journal == self.sales.id && batch.seq_hi() == batch.last_seq {
                batch.stock_totals = self.stock.iter().map(|(item, total)| (*item, *total)).collect();
            }
            self.outbound.sent(due.journal, batch.seq_hi(), now);
            self.to_say.push((Topic::Up(self.node(), due.journal.stream), batch.encode()?));
        }
        if !self.marked && self.outbound.is_idle() {
            self.marked = true;
            let digest = StockDigest::of(self.stock.iter().map(|(item, total)| (*item, *total))).number();
            let (incarnation, sales_seq) = (self.sales.id.incarnation.get(), self.sales.head().seq);
            let moved = self.signed.get(&StreamKind::Sales).is_none_or(|(seq, _)| *seq != sales_seq);
            let heads = if moved { vec![self.vouch(StreamKind::Sales)] } else { Vec::new() };
            let stock = vec![LifeStock { incarnation, sales_seq, stock_seq: 0, digest }];
            self.say(&FromNode::Mark(Mark { session, heads, stock }))?;
        }
        Ok(())
    }

    /// Takes in a frame.
    pub(super) fn hear(&mut self, topic: &str, payload: &[u8], now: Duration) -> Result<()> {
        match topic.parse()? {
            Topic::DownSession(_) => self.hear_session(FromHub::decode(payload)?, now),
            Topic::Down(_) => self.read_down(&Batch::decode(payload)?),
            // A nudge says what comes anyway: every session begins with what is missing.
            Topic::AllDown(_) => Ok(()),
            other @ (Topic::Up(..) | Topic::UpSession(_) | Topic::Presence(_) | Topic::HubDownlink) => {
                anyhow::bail!("nothing should come to {other}")
            }
        }
    }

    fn hear_session(&mut self, message: FromHub, now: Duration) -> Result<()> {
        match message {
            FromHub::Welcome(welcome) if welcome.boot == self.boot && welcome.number == Some(self.greetings) => {
                self.welcomed(&welcome, now);
            }
            FromHub::Ack(ack) if Some(ack.session) == self.greeting.session() => {
                let Some(journal) = ack.position.journal() else { return Ok(()) };
                self.outbound.acked(journal, ack.position.seq(), now);
                self.acked(&journal, ack.position.seq());
            }
            FromHub::Resend(resend) if Some(resend.session) == self.greeting.session() => {
                let Some(journal) = resend.position.journal() else { return Ok(()) };
                self.outbound.resend_after(journal, resend.position.seq(), now);
            }
            FromHub::Rehello { session } => self.greeting.refused(session, now),
            FromHub::Welcome(_) | FromHub::Ack(_) | FromHub::Resend(_) => {}
            FromHub::Contested { .. } | FromHub::TotalsDiffer { .. } => add(&self.board.strange, 1),
        }
        Ok(())
    }

    fn welcomed(&mut self, welcome: &Welcome, now: Duration) {
        if welcome.verdict != Verdict::Welcome {
            return add(&self.board.strange, 1);
        }
        self.greeting.welcomed(welcome.session);
        for (id, last) in [&self.ops, &self.sales].map(|chain| (chain.id, chain.head().seq)) {
            let told = welcome.positions.iter().find(|position| position.journal() == Some(id));
            let seq = told.map_or(0, Position::seq);
            self.acked(&id, seq);
            self.outbound.start(id, seq, last, now);
        }
    }

    fn acked(&mut self, journal: &JournalId, seq: u64) {
        if *journal == self.sales.id {
            let before = self.sales.head().seq - u64::try_from(self.sales.kept()).unwrap_or(0);
            // The first entry opens the series, and is no ticket.
            let series = u64::from(before == 0 && seq > 0);
            add(&self.board.acked, self.sales.acked(seq).saturating_sub(series));
        } else {
            self.ops.acked(seq);
        }
    }

    fn read_down(&mut self, batch: &Batch) -> Result<()> {
        let Some(session) = self.greeting.session() else { return Ok(()) };
        self.board.read_menu(batch)?;
        let genesis = batch.journal.genesis();
        let head = self.down.entry(batch.journal).or_insert(genesis);
        if batch.seq_lo > head.seq + 1 {
            let position = position(&batch.journal, head);
            return self.say(&FromNode::Resend(Resend { position, session }));
        }
        let held = usize::try_from(head.seq + 1 - batch.seq_lo)?;
        *head = batch.events.iter().skip(held).fold(*head, |head, bytes| head.after(bytes));
        let position = position(&batch.journal, head);
        self.say(&FromNode::Ack(Ack { position, session, reader_ms: SystemClock.now().get(), parked: None }))
    }
}

fn position(journal: &JournalId, head: &Head) -> Position {
    Position::new(journal, head.seq, head.hash.short())
}
