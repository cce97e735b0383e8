//! Every metric of the hub that is not the shared ground's own, with its help.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Tells the recorder what each metric means. Call it once, after the recorder is installed.
pub fn describe() {
    describe_ingest();
    describe_nodes();
    describe_door();
    describe_down();
    describe_projections();
}

fn describe_ingest() {
    describe_counter!("hub_ingest_batches_total", "Batches of nodes, by stream and by what they were to the journal");
    describe_counter!("hub_ingest_events_total", "Events of nodes that were appended to the journal, by stream");
    describe_counter!(
        "hub_ingest_failures_total",
        "Groups of messages of which something could not be committed, by code"
    );
    describe_histogram!("hub_ingest_group_messages", "Messages that were committed side by side");
    describe_histogram!(
        "hub_ingest_group_seconds",
        Unit::Seconds,
        "Time from the first message of a group to its commit"
    );
    describe_counter!(
        "hub_events_parked_total",
        "Events that this program cannot read: held, acknowledged, passed over"
    );
    describe_counter!("hub_events_unparked_total", "Parked events that this program could read when it started");
    describe_counter!("hub_aliases_total", "Events that were written again in a later life and count elsewhere");
    describe_counter!("hub_dead_letters_total", "Frames that could not be read at all; they were not acknowledged");
    describe_counter!("hub_dead_letters_dropped_total", "Dead letters that had to go because too many are kept");
    describe_counter!("hub_journals_opened_total", "Journals that the hub saw for the first time");
    describe_counter!("hub_answers_dropped_total", "Answers to nodes that could not be sent; the nodes ask again");
}

fn describe_nodes() {
    describe_gauge!("hub_nodes_online", "Nodes that are connected");
    describe_gauge!("hub_link_up", "Whether the hub's own connection to the broker stands");
    describe_counter!("hub_greetings_total", "Greetings of nodes, by verdict; untrusted ones need a person");
    describe_counter!("hub_rehellos_total", "Messages of a session that is not the present one");
    describe_counter!("hub_copies_told_total", "Sessions that were told of a journal of another process of their node");
    describe_counter!(
        "hub_node_moves_total",
        "Greetings from another machine with the same life: a disk moved or cloned"
    );
}

fn describe_door() {
    describe_gauge!("hub_door_connections", "Connections to the hub's own broker that the door carries");
    describe_counter!(
        "hub_door_refused_total",
        "Connections that the door let go after a handshake that was well, by cause"
    );
    describe_counter!("hub_door_cut_total", "Connections that were cut although they had been let in, by cause");
}

fn describe_down() {
    describe_counter!("hub_relay_entries_total", "Entries copied from a service's outbox into the journal, by stream");
    describe_gauge!("hub_relay_lag_events", "Entries of a service's outbox that are not in the journal yet, by stream");
    describe_counter!("hub_down_batches_total", "Batches that were sent to nodes, by stream");
    describe_counter!("hub_nudges_total", "Nudges to all nodes, by stream");
    describe_counter!("hub_down_ahead_total", "Nodes that hold more of a hub's journal than the hub: it was restored");
    describe_counter!("hub_returned_events_total", "Events of the hub's services that nodes gave back after a restore");
    describe_counter!("hub_downlink_events_dropped_total", "Acknowledgements that the downlink was too busy to hear");
    describe_gauge!("hub_duty_held", "Whether this process of several has a duty");
    describe_gauge!("hub_lanes_held", "Lanes of nodes that this process of several takes in");
    describe_counter!("hub_messages_later_total", "Messages of nodes that were put off for another process");
    describe_gauge!("hub_downlink_readers", "Sessions of nodes that read journals from the hub");
}

fn describe_projections() {
    describe_gauge!("hub_projection_lag_events", "Entries of the journal that a projection has not folded yet");
    describe_gauge!("hub_projection_stalled_journals", "Journals whose next entries a projection could not fold");
    describe_counter!("hub_projection_entries_total", "Entries that a projection has folded");
    describe_counter!("hub_projection_failures_total", "Slices that a projection could not fold; they are tried again");
    describe_counter!(
        "hub_projection_refolds_total",
        "Projections that were folded anew: ahead of a restored journal, or able to read what was passed over"
    );
    describe_counter!("hub_ticket_differences_total", "Parts of tickets that came out otherwise when computed again");
    describe_counter!("hub_suspect_clock_events_total", "Events of nodes whose clock was known to be wrong");
    describe_gauge!(
        "hub_stock_divergence",
        "Stock items whose fold of events differs from the totals of their authors"
    );
}
