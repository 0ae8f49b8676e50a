//! The form of a transition table.

/// Makes a machine from its table: the enums `State` and `Event`, and `Machine` with the state in it.
///
/// `Machine::on` takes the row of the present state and the event, or says that there is none: a mistake
/// of ours, whatever the network did. `Machine::permits` asks without changing anything.
macro_rules! transitions {
    (
        states { $($(#[$state_doc:meta])* $state:ident),+ $(,)? }
        events { $($(#[$event_doc:meta])* $event:ident),+ $(,)? }
        starts $start:ident
        rows { $($from:ident $(| $also:ident)* + $on:ident => $to:ident;)+ }
    ) => {
        /// A state of the machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum State { $($(#[$state_doc])* $state),+ }

        /// What moves the machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Event { $($(#[$event_doc])* $event),+ }

        /// The machine: a state that only events change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) struct Machine(State);

        impl Default for Machine {
            fn default() -> Self {
                Self::START
            }
        }

        impl Machine {
            /// Before any event.
            pub(crate) const START: Self = Self(State::$start);

            /// The present state.
            pub(crate) const fn state(self) -> State {
                self.0
            }

            /// The machine in this state, for a caller that keeps its state as a type that has more to it.
            #[allow(dead_code, reason = "most keep the machine")]
            pub(crate) const fn of(state: State) -> Self {
                Self(state)
            }

            /// Takes the row of the present state and `event`; `false`, and no change, when there is none.
            #[must_use = "an illegal transition must not go unnoticed"]
            pub(crate) fn on(&mut self, event: Event) -> bool {
                match next(self.0, event) {
                    Some(state) => {
                        self.0 = state;
                        true
                    }
                    None => false,
                }
            }

            /// Whether there is a row for `event` in the present state.
            #[allow(dead_code, reason = "not every machine is asked")]
            pub(crate) fn permits(self, event: Event) -> bool {
                next(self.0, event).is_some()
            }
        }

        impl Machine {
            /// The number of the row of the present state and `event`, in the order of [`ROWS`].
            pub(crate) fn row(self, event: Event) -> Option<usize> {
                ROWS.iter().position(|(state, on, _)| (*state, *on) == (self.0, event))
            }
        }

        /// The rows, one for each state that they name.
        pub(crate) const ROWS: &[(State, Event, State)] = &[
            $((State::$from, Event::$on, State::$to), $((State::$also, Event::$on, State::$to),)*)+
        ];

        fn next(state: State, event: Event) -> Option<State> {
            match (state, event) {
                $((State::$from $(| State::$also)*, Event::$on) => Some(State::$to),)+
                _ => None,
            }
        }

        /// Every state against every event, for the checked-in snapshot.
        #[cfg(test)]
        pub(crate) fn matrix() -> String {
            let mut text = String::new();
            for state in [$(State::$state),+] {
                for event in [$(Event::$event),+] {
                    let to = next(state, event).map_or_else(|| "-".to_owned(), |to| format!("{to:?}"));
                    text.push_str(&format!("{state:?} + {event:?} => {to}\n"));
                }
            }
            text
        }

        /// The rows as a Mermaid state diagram.
        #[cfg(test)]
        pub(crate) fn diagram() -> String {
            let mut text = format!("stateDiagram-v2\n    [*] --> {:?}\n", State::$start);
            for state in [$(State::$state),+] {
                for event in [$(Event::$event),+] {
                    if let Some(to) = next(state, event) {
                        text.push_str(&format!("    {state:?} --> {to:?}: {event:?}\n"));
                    }
                }
            }
            text
        }
    };
}
