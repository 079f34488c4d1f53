package MDM::Torture::Witness;

# Copyright (C) ngx_mdm_module authors
#
# The outbox as a witness: each result that a device was told to be taken
# stands in the event streams once, or a webhook has got it.  It is read from
# Redis at the end, by nobody who took part.

use strict;
use warnings;


# a page of a stream as lines "id TAB data"; the last line is where to go on

my $PAGE = <<'LUA';
local page = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', 2000)
local lines = {}

for i = 1, #page do
    local f = page[i][2]
    local event, id, data

    for k = 1, #f, 2 do
        if f[k] == 'event' then event = f[k + 1] end
        if f[k] == 'id' then id = f[k + 1] end
        if f[k] == 'data' then data = f[k + 1] end
    end

    if event == 'mdm.Connect' then
        lines[#lines + 1] = id .. '\t' .. data
    end
end

if #page == 2000 then
    lines[#lines + 1] = '(' .. page[#page][1]
else
    lines[#lines + 1] = 'end'
end

return table.concat(lines, '\n')
LUA


# returns counts, and up to ten notes; events: MDM::Events of a webhook, which
# has said itself what came twice

sub check {
    my ($ledger, $events, @masters) = @_;

    my (%told, @notes);
    my %n = map { $_ => 0 } qw(events missing twice other unknown);

    for my $node (@masters) {
        local $node->{timeout} = 30;

        $node->disconnect;

        for my $stream (@{$node->cmd('KEYS', 'mdm:*:events')}) {
            my $from = '-';

            while ($from ne 'end') {
                my @lines = split /\n/, $node->cmd('EVAL', $PAGE, 1, $stream,
                                                   $from);

                $from = pop @lines;

                for my $line (@lines) {
                    my ($id, $data) = split /\t/, $line, 2;
                    my ($status) = $data =~ /"status":"(\w+)"/;
                    my ($uuid) = $data =~ /"command_uuid":"([^"]*)"/;

                    next if $status eq 'NotNow' || $uuid !~ /^torture-/;

                    $n{events}++;
                    $n{unknown}++ if $data =~ /"known":false/;

                    my $key = "$id\t$uuid";

                    if (exists $told{$key}) {
                        $n{twice}++;
                        push @notes, "twice in the outbox: $key" if @notes < 10;
                    }

                    $told{$key} = $status;
                }
            }
        }

        $node->disconnect;
    }

    open my $fh, '<', $ledger or die "$ledger: $!\n";

    while (my $line = <$fh>) {
        chomp $line;

        my ($key, $status) = $line =~ /^(.*)\t(\w+)$/;
        my $told = delete $told{$key} // ($events && $events->status($key));

        if (!defined $told) {
            $n{missing}++;
            push @notes, "not in the outbox: $key" if @notes < 10;

        } elsif ($told ne $status) {
            $n{other}++;
            push @notes, "another status in the outbox: $key" if @notes < 10;
        }
    }

    close $fh;

    # results that nobody was told of are no fault: an answer may be lost

    return (\%n, \@notes);
}


1;
