
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A report: what a device sends to connect.  It is read by its top level
 * only (mdm_plist_top.h), for a result that cannot be understood must not
 * hold the queue.
 */


#ifndef _MDM_REPORT_H_INCLUDED_
#define _MDM_REPORT_H_INCLUDED_


#include "mdm_message.h"
#include "mdm_plist_top.h"


typedef enum {
    MDM_REPORT_UNREADABLE = 0,   /* no Status, or none that is known */
    MDM_REPORT_IDLE,
    MDM_REPORT_ACKNOWLEDGED,
    MDM_REPORT_ERROR,
    MDM_REPORT_FORMAT_ERROR,
    MDM_REPORT_NOT_NOW
} mdm_report_status_e;


/* the keys whose members are listed, for mdm_report_member() */

typedef enum {
    MDM_REPORT_QUERY_RESPONSES = 0,
    MDM_REPORT_SECURITY_INFO
} mdm_report_dict_e;


/* all points into the message or is owned by the arena */

typedef struct {
    mdm_report_status_e       status;
    mdm_str_t                 uuid;        /* CommandUUID, 1 to
                                              MDM_COMMAND_UUID_MAX bytes of
                                              UTF-8; empty: none that is */
    mdm_enrollment_names_t    names;       /* who speaks */
    mdm_str_t                 long_name;   /* UserLongName, or empty */
    mdm_uint_t                not_on_console;   /* 1: NotOnConsole is true */
    mdm_top_value_t           error_chain; /* type MDM_TOP_ARRAY; else there is
                                              none; see mdm_report_chain() */
    mdm_top_t                 top;         /* scalars of QueryResponses and
                                              SecurityInfo, see below */
    const char               *twice;       /* the key that came twice of those
                                              that decide who speaks and of
                                              what; else NULL */
    const char               *broken;      /* where its nesting broke, a
                                              constant text; else NULL */
    void                     *facts;       /* mdm_connect.c's own */
    void                     *renewal;
    const mdm_reply_t        *reply;
} mdm_report_t;


/*
 * Reads a message.  Nothing is refused here: what is not found is empty.
 * MDM_OK, or MDM_ERROR: no memory.
 */
mdm_int_t mdm_report_read(mdm_arena_t *arena, const mdm_str_t *body,
    mdm_report_t *report);

/* "Acknowledged", …, or "unreadable": never the device's own bytes */
mdm_str_t mdm_report_status(mdm_report_status_e status);

/*
 * A scalar one level down, e.g. (MDM_REPORT_QUERY_RESPONSES, "OSVersion"), or
 * NULL: there is none that can be read.  Lists are bounded: the limits are in
 * mdm_plist_top.h.
 */
const mdm_top_member_t *mdm_report_member(const mdm_report_t *report,
    mdm_report_dict_e dict, const char *name);

/*
 * The ErrorChain as a tree, through the guarded reader; "body" is what the
 * report was read from.  MDM_OK: *chain is an array that lives as long as the
 * arena; MDM_DECLINED: there is none, or none that can be read; MDM_ERROR.
 */
mdm_int_t mdm_report_chain(mdm_arena_t *arena, const mdm_str_t *body,
    const mdm_report_t *report, const mdm_limits_t *limits,
    plist_t *chain);

/*
 * The beginning of a connect, as mdm_message_read() is of a check-in: reads
 * x->body into m->data, resolves who speaks.  MDM_OK; MDM_DECLINED: the
 * response (400, 403) is filled in; MDM_ERROR: no memory.
 */
mdm_int_t mdm_report_message(mdm_exchange_t *x);

/* 400, with the certificate's subject in the log; returns MDM_DONE */
mdm_int_t mdm_report_refuse(mdm_exchange_t *x, const char *why);


#endif /* _MDM_REPORT_H_INCLUDED_ */
