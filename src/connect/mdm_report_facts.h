
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a result says of the device itself: an enrollment keeps some of it.
 * Only an answer to DeviceInformation or SecurityInfo is believed; which
 * command it was, is known to the script.
 */


#ifndef _MDM_REPORT_FACTS_H_INCLUDED_
#define _MDM_REPORT_FACTS_H_INCLUDED_


#include "mdm_report.h"


/* arguments of a fact: RequestType, field of the enrollment, value */
#define MDM_FACT_ARGS         3

/* the most that a report or status has */
#define MDM_FACTS_MAX         16

/* bytes of a value, as at Authenticate */
#define MDM_FACT_MAX          255


/*
 * Lists the facts in an acknowledged result: "args" has room for
 * MDM_FACTS_MAX * MDM_FACT_ARGS.  Returns how many arguments there are; 0 for
 * any other report.  Serial number and identity are never among them.
 */
mdm_uint_t mdm_report_facts(const mdm_report_t *report, mdm_str_t *args);


#endif /* _MDM_REPORT_FACTS_H_INCLUDED_ */
