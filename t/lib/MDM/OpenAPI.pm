package MDM::OpenAPI;

# Copyright (C) ngx_mdm_module authors
#
# Real answers of the API, compared with docs/openapi.yaml.
#
#     my $spec = MDM::OpenAPI->new;
#     my @bad = $spec->check('GET', '/v1/queue/A?limit=1', $response);
#     my @left = $spec->unseen;                # of what should have been seen
#
#     MDM->new(watch => $spec->watch);         # looks at all that request() gets
#     is_deeply([ $spec->found ], [], 'all answers are as documented');
#
# A status that is not documented is found, so is a member that is not, as
# schemas are taken to be complete: objects of a response are closed where they
# do not say "additionalProperties".

use strict;
use warnings;

use JSON::PP ();
use JSON::Validator;
use YAML::XS ();

use MDM::Util qw(read_file);

# what any call may answer, as its text in front says

my %general = map { $_ => 1 } qw(400 401 403 404 405 413 503);


sub new {
    my ($class, $file) = @_;

    $file //= 'docs/openapi.yaml';

    # true and false are booleans, which a schema tells from numbers

    local $YAML::XS::Boolean = 'JSON::PP';

    my $spec = YAML::XS::Load(read_file($file));

    die "$file: no paths" unless ref $spec->{paths} eq 'HASH';

    return bless { spec => $spec, seen => {}, schema => {} }, $class;
}


# follows a "$ref" of the same file

sub _resolve {
    my ($self, $node) = @_;

    while (ref $node eq 'HASH' && exists $node->{'$ref'}) {
        my ($path) = $node->{'$ref'} =~ m{^#/(.+)$}
            or die "cannot follow $node->{'$ref'}";

        $node = $self->{spec};
        $node = $node->{$_} // die "nothing at $path" for split m{/}, $path;
    }

    return $node;
}


# a schema of OpenAPI 3.0 as JSON Schema has it, complete and closed

sub _schema {
    my ($self, $node) = @_;

    $node = $self->_resolve($node);

    return [ map { $self->_schema($_) } @$node ] if ref $node eq 'ARRAY';
    return $node if ref $node ne 'HASH';

    my %s = %$node;

    delete @s{qw(nullable example description default)};

    $s{properties} = { map { $_ => $self->_schema($s{properties}{$_}) }
                       keys %{$s{properties}} } if $s{properties};
    $s{$_} = $self->_schema($s{$_})
        for grep { ref $s{$_} } qw(items oneOf anyOf allOf
                                   additionalProperties);

    $s{additionalProperties} = JSON::PP::false
        if $s{properties} && !exists $s{additionalProperties};

    $s{type} = [ $s{type}, 'null' ] if $node->{nullable};

    # what is base64 or a file stays a string

    delete $s{format} if ($s{format} // '') =~ /^(?:byte|binary)$/;

    return \%s;
}


# the paths, those without parameters first; and the operation of a request

sub _operation {
    my ($self, $method, $path) = @_;

    my %query;

    $path =~ s/\?(.*)$//s and %query = map { /^([^=]*)/ ? ($1 => 1) : () }
                                       split /&/, $1;

    for my $template (sort { ($a =~ tr/{//) <=> ($b =~ tr/{//) || $a cmp $b }
                      keys %{$self->{spec}{paths}})
    {
        my $operation = $self->{spec}{paths}{$template}{lc $method} or next;

        # ids that are in the query are left out of the path, the last first

        my $ids = () = $template =~ /\{/g;
        my $given = grep { $query{$_} } qw(identifier uuid);

        next if $ids < $given || ($query{identifier} && $ids != $given);

        my $form = $template;

        $form =~ s{^(.*)/\{\w+\}}{$1} for 1 .. $given;

        my $pattern = join '[^/]+', map { quotemeta } split /\{\w+\}/, $form, -1;

        return ($template, $operation) if $path =~ /^$pattern$/;
    }

    return;
}


sub check {
    my ($self, $method, $path, $r) = @_;

    # HEAD is a GET without a body

    my $head = ($method eq 'HEAD');

    $method = 'GET' if $head;

    my ($template, $operation) = $self->_operation($method, $path);

    # no call of the API

    return if !defined $template;

    my $what = "$method $template";
    my $status = $r->status;
    my $response = $operation->{responses}{$status};

    $self->{seen}{$what}{$status}++;

    if (!$response) {
        return "$what: $status is not documented" unless $general{$status};

        $response = { '$ref' => '#/components/responses/Error' };
    }

    $response = $self->_resolve($response);

    my $content = $response->{content};
    my $body = $r->body;

    if (!$content) {
        return length $body ? "$what: $status has a body" : ();
    }

    my ($type) = ($r->header('Content-Type') // '') =~ /^([^;]+)/;

    # nginx's own pages are no answers of the API

    return if ($type // '') eq 'text/html' && $status >= 400;

    my $media = $content->{$type // ''}
        or return "$what: $status comes as " . ($type // 'nothing');

    # what a device sent, as it came, may be anything

    return if $head || $type !~ /json/ || !%{$media->{schema}};

    my $value = eval { JSON::PP->new->utf8->allow_nonref->decode($body) };

    return "$what: $status is no JSON: $@" if $@;

    my $v = $self->{schema}{"$what $status $type"} //= do {
        my $jv = JSON::Validator->new;

        $jv->schema($self->_schema($media->{schema}));
        $jv;
    };

    return map { "$what: $status: $_" } $v->validate($value);
}


# looks at each call under any prefix, and keeps what it finds

sub watch {
    my ($self) = @_;

    return sub {
        my ($method, $path, $r) = @_;

        # devices' locations are no API

        return if $path =~ m{^/mdm};

        $path =~ m{(/(?:v1/|version(?:\?|$)|migration(?:\?|$)).*)$}s or return;

        $self->{found}{$_}++ for $self->check($method, $1, $r);
    };
}


sub found { return sort keys %{$_[0]{found} || {}} }


# operations and statuses of success that no answer had; those that this
# version does not carry out are all seen by their 501

sub unseen {
    my ($self) = @_;

    my @left;

    for my $template (sort keys %{$self->{spec}{paths}}) {
        my $path = $self->{spec}{paths}{$template};

        for my $method (grep { $path->{$_} } qw(get put post delete)) {
            my $what = uc($method) . " $template";

            for my $status (sort keys %{$path->{$method}{responses}}) {
                push @left, "$what: $status"
                    if $status =~ /^(?:2..|304|501)$/
                       && !$self->{seen}{$what}{$status};
            }
        }
    }

    return @left;
}


1;
