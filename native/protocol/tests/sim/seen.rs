//! Which situations a simulation came into.

macro_rules! situations {
    ($($field:ident: $name:literal > $least:literal,)*) => {
        /// How often sessions came into the situations that they are simulated for.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Seen {
            $(pub $field: u64,)*
        }

        impl Seen {
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$(($name, self.$field),)*]
            }

            /// Whether each of them was seen as often as a full run should see it.
            pub fn is_full(&self) -> bool {
                $(self.$field > $least)&&*
            }
        }

        impl std::ops::Add for Seen {
            type Output = Self;

            fn add(self, other: Self) -> Self {
                Self { $($field: self.$field + other.$field,)* }
            }
        }
    };
}

situations! {
    cuts: "cuts" > 100,
    lower_joins: "joins below all others" > 100,
    discarded: "chunks that came twice" > 100,
    repeated_ends: "hashes sent again" > 100,
    given_up: "files given up" > 100,
    differing_fates: "fates that differ" > 100,
    refused_folders: "refused folders" > 100,
    shared_records: "records of several files" > 100,
    reads_outliving_their_lane: "reads outliving their lane" > 100,
    taken_over: "chunks taken over" > 100,
    drained: "lanes that ran empty" > 100,
    sink_kills: "sinks killed" > 100,
    sink_crashes: "machines of sinks crashed" > 100,
    source_kills: "sources killed" > 100,
    outages: "sessions that lost all lanes" > 100,
    after_the_end: "crashes after a session's end" > 100,
    lost_chunks: "written chunks lost in a crash" > 100,
    torn_journals: "journals torn in a crash" > 100,
    lost_names: "names lost in a crash" > 100,
    commits: "commits" > 100,
    held: "chunks held from an earlier session" > 100,
    held_whole: "files held whole from an earlier session" > 100,
    bad_chunks: "held chunks that are bad" > 100,
    lacking: "requests for chunks that counted" > 100,
    useless_parts: "parts of no use" > 100,
    started_over: "files that started over" > 100,
    given_up_before_start_over: "files given up before they could start over" > 0,
    renamed: "files renamed" > 100,
    found_same: "files found to be there at the last moment" > 100,
}
