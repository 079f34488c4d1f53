package MDM::OpenAPILint;

# Copyright (C) ngx_mdm_module authors
#
# What a linter of OpenAPI says of docs/openapi.yaml, for scripts/lint.
#
#     openapi($root)      what it finds, a line each; the linter is in
#                         $root/build/openapi, where scripts/setup puts it
#     openapi_there($root) is the linter installed?  It says so if not
#     openapi_text($id)   a small description that is right; wrong without an id

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(openapi openapi_text openapi_there);


sub openapi_text {
    my ($id) = @_;

    return <<"END";
openapi: 3.0.3
info:
  title: a
  version: '1'
  license:
    name: b
    url: https://a.test/
servers:
  - url: https://a.test
security:
  - {}
paths:
  /a:
    get:
      summary: a
@{[ $id eq '' ? '' : "      operationId: $id" ]}
      responses:
        '200':
          description: a
        '404':
          description: b
END
}


sub _linter {
    return "$_[0]/build/openapi/node_modules/.bin/redocly";
}


sub openapi_there {
    my ($root) = @_;

    return 1 if -x _linter($root);

    print STDERR "lint: openapi is left out: scripts/setup installs its linter\n";

    return 0;
}


# all that its authors recommend is an error here

sub openapi {
    my ($root) = @_;

    my $linter = _linter($root);

    return unless -f 'docs/openapi.yaml';

    # it is to find, not to call home

    local $ENV{REDOCLY_TELEMETRY} = 'off';
    local $ENV{REDOCLY_SUPPRESS_UPDATE_NOTICE} = 'true';

    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1 < /dev/null', 'sh', $linter,
        'lint', '--format=checkstyle', '--extends=recommended-strict',
        # calls that this version answers 501 have no other answer
        '--skip-rule=operation-2xx-response', 'docs/openapi.yaml'
        or die "$linter: $!\n";

    my @lines = <$fh>;

    close $fh;

    my $rc = $?;
    my @found = map { m{line="(\d+)".*message="([^"]*)"}
                      ? "docs/openapi.yaml:$1: $2" : () } @lines;

    return @found if @found || $rc == 0;
    return "redocly: @lines";
}


1;
