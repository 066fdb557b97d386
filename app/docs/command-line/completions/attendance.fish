# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_attendance_global_optspecs
    string join \n config= h/help V/version
end

function __fish_attendance_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_attendance_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_attendance_using_subcommand
    set -l cmd (__fish_attendance_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c attendance -n "__fish_attendance_needs_command" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_needs_command" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_needs_command" -s V -l version -d 'Print version'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "run" -d 'Run the appliance until SIGTERM or Ctrl-C'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "check-config" -d 'Check the configuration; exit code 64 and the reasons when it is wrong'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "check-connection" -d 'Ask the photo server and the webhook whether they answer and take their keys; exit code 1 when one does not'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "check-photos" -d 'Look at every photo: does it enrol, and if not, why; exit code 3 when a person must act'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "sync" -d 'Mirror the photos from the backend and print the result'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "upload" -d 'Deliver the rows that wait, while the appliance does not run; exit code 3 when rows need a person'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "password" -d 'Make a new password for the technician\'s page'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "account" -d 'Accounts of people who may log in to the page, beside the technician'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "token" -d 'API tokens for scripts and monitoring'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "export" -d 'Write all that this device knows as one encrypted file: for the day on which its board or card dies'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "import" -d 'Take over such a file. It is checked now, and taken over when the appliance starts'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "factory-reset" -d 'On the appliance: erase everything, and start as freshly flashed'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "card-key" -d 'For the initramfs: which key the settings ask for'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "provision" -d 'On the appliance: take over what the technician put on the card, or report back to it'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "boot-slot" -d 'Answer RAUC about the two systems on the card'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "health-gate" -d 'Decide, after a start, whether this system is kept'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "update" -d 'Updates: which systems are on the card, install, try, go back'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "take-settings" -d 'On the appliance, as root: put the settings that the page saved in the place of the file'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "evaluate" -d 'Measure how right recognition is, on pictures of yours'
complete -c attendance -n "__fish_attendance_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand run" -l screen -d 'Write the screen at the door as pictures into this folder: now.png, and one for each thing shown' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand run" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand run" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand check-config" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand check-config" -l print-defaults -d 'Print every field with its documentation and default value, as a file to begin from'
complete -c attendance -n "__fish_attendance_using_subcommand check-config" -l connect -d 'Also ask the photo server and the webhook whether they answer and take their keys; exit code 1 when one does not'
complete -c attendance -n "__fish_attendance_using_subcommand check-config" -l json -d 'Print JSON instead of text'
complete -c attendance -n "__fish_attendance_using_subcommand check-config" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand check-connection" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand check-connection" -l json -d 'Print JSON instead of text'
complete -c attendance -n "__fish_attendance_using_subcommand check-connection" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand check-photos" -l photos -d 'Folder of photos instead of the configured one: `<roll>/<file>`, or a plain folder of `<roll>.jpg`. Nothing is written into it' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand check-photos" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand check-photos" -l json -d 'Print JSON instead of a table'
complete -c attendance -n "__fish_attendance_using_subcommand check-photos" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand sync" -l interval -d 'Seconds between two synchronisations; the configured interval if not given' -r
complete -c attendance -n "__fish_attendance_using_subcommand sync" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand sync" -l continuous -d 'Go on until Ctrl-C'
complete -c attendance -n "__fish_attendance_using_subcommand sync" -l confirm-removal -d 'Believe the server that lacks many students: the next synchronisation removes them'
complete -c attendance -n "__fish_attendance_using_subcommand sync" -l json -d 'Print one JSON object a line instead of the original\'s lines'
complete -c attendance -n "__fish_attendance_using_subcommand sync" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand upload" -l retry -d 'First put this row, of those that need a person, back among those to be delivered' -r
complete -c attendance -n "__fish_attendance_using_subcommand upload" -l dismiss -d 'First take this row off the list of those that need a person, for good' -r
complete -c attendance -n "__fish_attendance_using_subcommand upload" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand upload" -l json -d 'Print JSON instead of text'
complete -c attendance -n "__fish_attendance_using_subcommand upload" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand password" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand password" -l hash -d 'Read a password of yours from standard input and print its hash, for page.password_hash in the configuration'
complete -c attendance -n "__fish_attendance_using_subcommand password" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand account; and not __fish_seen_subcommand_from add list password remove help" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand account; and not __fish_seen_subcommand_from add list password remove help" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand account; and not __fish_seen_subcommand_from add list password remove help" -f -a "add" -d 'Add an account and print its password: it is shown only now'
complete -c attendance -n "__fish_attendance_using_subcommand account; and not __fish_seen_subcommand_from add list password remove help" -f -a "list" -d 'List the accounts with their roles'
complete -c attendance -n "__fish_attendance_using_subcommand account; and not __fish_seen_subcommand_from add list password remove help" -f -a "password" -d 'Make another password for an account and print it; every log-in with the old one ends'
complete -c attendance -n "__fish_attendance_using_subcommand account; and not __fish_seen_subcommand_from add list password remove help" -f -a "remove" -d 'Remove an account; its log-ins end at once'
complete -c attendance -n "__fish_attendance_using_subcommand account; and not __fish_seen_subcommand_from add list password remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from add" -l role -d 'What they may do: viewer, office or technician' -r
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from add" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from list" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from list" -l json -d 'Print JSON instead of text'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from password" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from password" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from remove" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add an account and print its password: it is shown only now'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the accounts with their roles'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "password" -d 'Make another password for an account and print it; every log-in with the old one ends'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove an account; its log-ins end at once'
complete -c attendance -n "__fish_attendance_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -f -a "add" -d 'Make a token and print it: it is shown only now'
complete -c attendance -n "__fish_attendance_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -f -a "list" -d 'List the tokens by name'
complete -c attendance -n "__fish_attendance_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -f -a "revoke" -d 'Make a token worthless'
complete -c attendance -n "__fish_attendance_using_subcommand token; and not __fish_seen_subcommand_from add list revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from add" -l role -d 'May do what an account of this role may: viewer, office or technician' -r
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from add" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from add" -l full -d 'May change things, and not only look'
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from list" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from list" -l json -d 'Print JSON instead of text'
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from revoke" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "add" -d 'Make a token and print it: it is shown only now'
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the tokens by name'
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Make a token worthless'
complete -c attendance -n "__fish_attendance_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand export" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand export" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand import" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand import" -l keep-settings -d 'Keep this device\'s settings, and drop those of the archive'
complete -c attendance -n "__fish_attendance_using_subcommand import" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand factory-reset" -l data -d 'Folder of the appliance\'s data' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand factory-reset" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand factory-reset" -l asked -d 'As root: leave the mark for the initramfs, if the service or the card asked. Exit code 1 when nobody did'
complete -c attendance -n "__fish_attendance_using_subcommand factory-reset" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand card-key" -l settings -d 'The settings on the card\'s first partition' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand card-key" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand card-key" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand provision" -l card -d 'The card\'s first partition' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand provision" -l data -d 'Folder of the appliance\'s data, for the certificate\'s fingerprint' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand provision" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand provision" -l report -d 'Write attendance-status.txt and the console\'s text instead of looking for new files'
complete -c attendance -n "__fish_attendance_using_subcommand provision" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and not __fish_seen_subcommand_from get-primary set-primary get-state set-state get-current help" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and not __fish_seen_subcommand_from get-primary set-primary get-state set-state get-current help" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and not __fish_seen_subcommand_from get-primary set-primary get-state set-state get-current help" -f -a "get-primary" -d 'Print the slot whose turn is next'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and not __fish_seen_subcommand_from get-primary set-primary get-state set-state get-current help" -f -a "set-primary" -d 'Let a slot be the next'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and not __fish_seen_subcommand_from get-primary set-primary get-state set-state get-current help" -f -a "get-state" -d 'Print whether a slot is "good" or "bad"'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and not __fish_seen_subcommand_from get-primary set-primary get-state set-state get-current help" -f -a "set-state" -d 'Call a slot good or bad'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and not __fish_seen_subcommand_from get-primary set-primary get-state set-state get-current help" -f -a "get-current" -d 'Print the slot that runs'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and not __fish_seen_subcommand_from get-primary set-primary get-state set-state get-current help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from get-primary" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from get-primary" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from set-primary" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from set-primary" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from get-state" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from get-state" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from set-state" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from set-state" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from get-current" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from get-current" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from help" -f -a "get-primary" -d 'Print the slot whose turn is next'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from help" -f -a "set-primary" -d 'Let a slot be the next'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from help" -f -a "get-state" -d 'Print whether a slot is "good" or "bad"'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from help" -f -a "set-state" -d 'Call a slot good or bad'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from help" -f -a "get-current" -d 'Print the slot that runs'
complete -c attendance -n "__fish_attendance_using_subcommand boot-slot; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand health-gate" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand health-gate" -l overdue -d 'Do not examine: a system that is still on trial failed'
complete -c attendance -n "__fish_attendance_using_subcommand health-gate" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand update; and not __fish_seen_subcommand_from status install try go-back acknowledge from-stick help" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand update; and not __fish_seen_subcommand_from status install try go-back acknowledge from-stick help" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand update; and not __fish_seen_subcommand_from status install try go-back acknowledge from-stick help" -f -a "status" -d 'Say which systems are on the card, and how the last update ended'
complete -c attendance -n "__fish_attendance_using_subcommand update; and not __fish_seen_subcommand_from status install try go-back acknowledge from-stick help" -f -a "install" -d 'Install a bundle (a file or an https address) into the other slot'
complete -c attendance -n "__fish_attendance_using_subcommand update; and not __fish_seen_subcommand_from status install try go-back acknowledge from-stick help" -f -a "try" -d 'Restart into the system that was installed; it is kept if it proves healthy'
complete -c attendance -n "__fish_attendance_using_subcommand update; and not __fish_seen_subcommand_from status install try go-back acknowledge from-stick help" -f -a "go-back" -d 'Restart into the other system, if it is known to be whole; it is kept if it proves healthy. The version that is left is not installed automatically until somebody acknowledges'
complete -c attendance -n "__fish_attendance_using_subcommand update; and not __fish_seen_subcommand_from status install try go-back acknowledge from-stick help" -f -a "acknowledge" -d 'Acknowledge which updates were rolled back or left: the page stops showing it, and they may be offered again'
complete -c attendance -n "__fish_attendance_using_subcommand update; and not __fish_seen_subcommand_from status install try go-back acknowledge from-stick help" -f -a "from-stick" -d 'Install the newest bundle of a stick that was plugged in; asked for by attendance-stick@.service'
complete -c attendance -n "__fish_attendance_using_subcommand update; and not __fish_seen_subcommand_from status install try go-back acknowledge from-stick help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from status" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from status" -l json -d 'Print JSON instead of text'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from install" -l ca-file -d 'Certificate authorities for the address, PEM, beside the system\'s' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from install" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from install" -l restart -d 'Restart into it at once; else it waits for `attendance update try`'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from try" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from try" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from go-back" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from go-back" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from acknowledge" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from acknowledge" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from from-stick" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from from-stick" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from help" -f -a "status" -d 'Say which systems are on the card, and how the last update ended'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from help" -f -a "install" -d 'Install a bundle (a file or an https address) into the other slot'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from help" -f -a "try" -d 'Restart into the system that was installed; it is kept if it proves healthy'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from help" -f -a "go-back" -d 'Restart into the other system, if it is known to be whole; it is kept if it proves healthy. The version that is left is not installed automatically until somebody acknowledges'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from help" -f -a "acknowledge" -d 'Acknowledge which updates were rolled back or left: the page stops showing it, and they may be offered again'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from help" -f -a "from-stick" -d 'Install the newest bundle of a stick that was plugged in; asked for by attendance-stick@.service'
complete -c attendance -n "__fish_attendance_using_subcommand update; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand take-settings" -l request -d 'The service\'s request' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand take-settings" -l answers -d 'Folder for the answer' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand take-settings" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand take-settings" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and not __fish_seen_subcommand_from verification identification enrolment attacks bench help" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and not __fish_seen_subcommand_from verification identification enrolment attacks bench help" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and not __fish_seen_subcommand_from verification identification enrolment attacks bench help" -f -a "verification" -d 'Are two pictures one person? LFW-style folder and list of pairs'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and not __fish_seen_subcommand_from verification identification enrolment attacks bench help" -f -a "identification" -d 'Who of the roster is it, and is a stranger told apart? A folder of people with several pictures each'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and not __fish_seen_subcommand_from verification identification enrolment attacks bench help" -f -a "enrolment" -d 'What happens to photos that lie or stand on their head, and to a student\'s folder that has somebody else\'s photo? A folder of people with several upright pictures each'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and not __fish_seen_subcommand_from verification identification enrolment attacks bench help" -f -a "attacks" -d 'Is it a living person? Stills and videos (Y4M, MJPEG) of people, and attacks, a folder for each species'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and not __fish_seen_subcommand_from verification identification enrolment attacks bench help" -f -a "bench" -d 'Is it a living person, by the whole pipeline with scene and prompts? Composes people and attacks from a folder of people before drawn doorways. Tune on the development half only'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and not __fish_seen_subcommand_from verification identification enrolment attacks bench help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from verification" -l images -d 'Folder of pictures, `<person>/<person>_0001.jpg`' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from verification" -l pairs -d 'List of pairs in LFW\'s form' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from verification" -l json -d 'Write the figures as JSON' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from verification" -l csv -d 'Write every score as CSV' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from verification" -l charts -d 'Write pictures (SVG) into this folder' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from verification" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from verification" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l images -d 'Folder of pictures, `<person>/<picture>`' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l pictures-each -d 'Pictures each person is enrolled from, at most' -r
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l margin -d 'Least distance to the second-best person; the configured one if not given' -r
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l labels -d 'Groups of people: a line for each, `person,group`. Reports FMR and FNMR by group' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l calibration -d 'Write the thresholds measured on these pictures, for `recognition.calibration`' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l json -d 'Write the figures as JSON' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l csv -d 'Write every score as CSV' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l charts -d 'Write pictures (SVG) into this folder' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -l gate -d 'Look as the door does: a face that fails its quality gate counts as none'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from identification" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from enrolment" -l images -d 'Folder of pictures, `<person>/<picture>`' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from enrolment" -l turned -d 'People whose first picture is also tried in the three other positions, at most' -r
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from enrolment" -l json -d 'Write the figures as JSON' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from enrolment" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from enrolment" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from attacks" -l genuine -d 'Folder of genuine presentations' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from attacks" -l attacks -d 'Folder of attacks, `<species>/<file>`' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from attacks" -l stills -d 'Folder of stills, `<person>/<picture>`, each to be held before the camera and moved in every way a sheet can move, covered in part, and exchanged for the next picture in its folder' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from attacks" -l json -d 'Write the figures as JSON' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from attacks" -l csv -d 'Write every score as CSV' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from attacks" -l charts -d 'Write pictures (SVG) into this folder' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from attacks" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from attacks" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from bench" -l people -d 'Folder of people, `<person>/<picture>`, with two pictures each or more' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from bench" -l half -d 'Half of people, doorways and parameters' -r -f -a "development\t''
test\t''"
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from bench" -l each -d 'Items of each species, and living people before each of four doorways' -r
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from bench" -l csv -d 'Write every item as CSV' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from bench" -l config -d 'The configuration file' -r -F
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from bench" -s h -l help -d 'Print help'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from help" -f -a "verification" -d 'Are two pictures one person? LFW-style folder and list of pairs'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from help" -f -a "identification" -d 'Who of the roster is it, and is a stranger told apart? A folder of people with several pictures each'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from help" -f -a "enrolment" -d 'What happens to photos that lie or stand on their head, and to a student\'s folder that has somebody else\'s photo? A folder of people with several upright pictures each'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from help" -f -a "attacks" -d 'Is it a living person? Stills and videos (Y4M, MJPEG) of people, and attacks, a folder for each species'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from help" -f -a "bench" -d 'Is it a living person, by the whole pipeline with scene and prompts? Composes people and attacks from a folder of people before drawn doorways. Tune on the development half only'
complete -c attendance -n "__fish_attendance_using_subcommand evaluate; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "run" -d 'Run the appliance until SIGTERM or Ctrl-C'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "check-config" -d 'Check the configuration; exit code 64 and the reasons when it is wrong'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "check-connection" -d 'Ask the photo server and the webhook whether they answer and take their keys; exit code 1 when one does not'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "check-photos" -d 'Look at every photo: does it enrol, and if not, why; exit code 3 when a person must act'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "sync" -d 'Mirror the photos from the backend and print the result'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "upload" -d 'Deliver the rows that wait, while the appliance does not run; exit code 3 when rows need a person'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "password" -d 'Make a new password for the technician\'s page'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "account" -d 'Accounts of people who may log in to the page, beside the technician'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "token" -d 'API tokens for scripts and monitoring'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "export" -d 'Write all that this device knows as one encrypted file: for the day on which its board or card dies'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "import" -d 'Take over such a file. It is checked now, and taken over when the appliance starts'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "factory-reset" -d 'On the appliance: erase everything, and start as freshly flashed'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "card-key" -d 'For the initramfs: which key the settings ask for'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "provision" -d 'On the appliance: take over what the technician put on the card, or report back to it'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "boot-slot" -d 'Answer RAUC about the two systems on the card'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "health-gate" -d 'Decide, after a start, whether this system is kept'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "update" -d 'Updates: which systems are on the card, install, try, go back'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "take-settings" -d 'On the appliance, as root: put the settings that the page saved in the place of the file'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "evaluate" -d 'Measure how right recognition is, on pictures of yours'
complete -c attendance -n "__fish_attendance_using_subcommand help; and not __fish_seen_subcommand_from run check-config check-connection check-photos sync upload password account token export import factory-reset card-key provision boot-slot health-gate update take-settings evaluate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "add" -d 'Add an account and print its password: it is shown only now'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "list" -d 'List the accounts with their roles'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "password" -d 'Make another password for an account and print it; every log-in with the old one ends'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "remove" -d 'Remove an account; its log-ins end at once'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "add" -d 'Make a token and print it: it is shown only now'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "list" -d 'List the tokens by name'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "revoke" -d 'Make a token worthless'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from boot-slot" -f -a "get-primary" -d 'Print the slot whose turn is next'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from boot-slot" -f -a "set-primary" -d 'Let a slot be the next'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from boot-slot" -f -a "get-state" -d 'Print whether a slot is "good" or "bad"'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from boot-slot" -f -a "set-state" -d 'Call a slot good or bad'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from boot-slot" -f -a "get-current" -d 'Print the slot that runs'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from update" -f -a "status" -d 'Say which systems are on the card, and how the last update ended'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from update" -f -a "install" -d 'Install a bundle (a file or an https address) into the other slot'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from update" -f -a "try" -d 'Restart into the system that was installed; it is kept if it proves healthy'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from update" -f -a "go-back" -d 'Restart into the other system, if it is known to be whole; it is kept if it proves healthy. The version that is left is not installed automatically until somebody acknowledges'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from update" -f -a "acknowledge" -d 'Acknowledge which updates were rolled back or left: the page stops showing it, and they may be offered again'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from update" -f -a "from-stick" -d 'Install the newest bundle of a stick that was plugged in; asked for by attendance-stick@.service'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from evaluate" -f -a "verification" -d 'Are two pictures one person? LFW-style folder and list of pairs'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from evaluate" -f -a "identification" -d 'Who of the roster is it, and is a stranger told apart? A folder of people with several pictures each'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from evaluate" -f -a "enrolment" -d 'What happens to photos that lie or stand on their head, and to a student\'s folder that has somebody else\'s photo? A folder of people with several upright pictures each'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from evaluate" -f -a "attacks" -d 'Is it a living person? Stills and videos (Y4M, MJPEG) of people, and attacks, a folder for each species'
complete -c attendance -n "__fish_attendance_using_subcommand help; and __fish_seen_subcommand_from evaluate" -f -a "bench" -d 'Is it a living person, by the whole pipeline with scene and prompts? Composes people and attacks from a folder of people before drawn doorways. Tune on the development half only'
