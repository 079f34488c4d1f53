
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The endpoints of this folder: calls of the API by method and path.
 */


#include "mdm_api.h"


#define mdm_api(methods, path, step)                                          \
    { MDM_KIND_API, methods, mdm_string(path), step, 0, 0 }

#define mdm_api_acts(methods, path, step)                                     \
    { MDM_KIND_API, methods, mdm_string(path), step, 0, 1 }


const mdm_endpoint_t  mdm_api_endpoints[] = {

    mdm_api(MDM_GET, "/version", mdm_api_version_step),
    mdm_api(MDM_PUT, "/migration", mdm_api_migration_step),
    mdm_api(MDM_PUT|MDM_POST, "/v1/enqueue/*", mdm_api_enqueue_step),
    mdm_api(MDM_GET, "/v1/queue/*", mdm_api_queue_list_step),
    mdm_api(MDM_DELETE, "/v1/queue/*", mdm_api_queue_clear_step),
    mdm_api(MDM_GET, "/v1/queue/*/*", mdm_api_command_get_step),
    mdm_api(MDM_DELETE, "/v1/queue/*/*", mdm_api_command_delete_step),
    mdm_api(MDM_POST, "/v1/enrollments/query", mdm_api_enrollment_query_step),
    mdm_api(MDM_GET, "/v1/enrollments", mdm_api_enrollment_query_step),
    mdm_api(MDM_GET, "/v1/enrollments/*", mdm_api_enrollment_get_step),
    mdm_api(MDM_DELETE, "/v1/enrollments/*/certificate",
            mdm_api_pin_reset_step),
    mdm_api(MDM_DELETE, "/v1/enrollments/*", mdm_api_forget_step),
    mdm_api(MDM_POST, "/v1/enrollments/*/unenroll", mdm_api_unenroll_step),
    mdm_api(MDM_PUT, "/v1/enrollments/*/enrollment", mdm_api_adopt_step),
    mdm_api(MDM_POST, "/v1/enrollments/*/block", mdm_api_block_step),
    mdm_api(MDM_DELETE, "/v1/enrollments/*/block", mdm_api_unblock_step),
    mdm_api(MDM_POST, "/v1/enrollments/*/secrets/release",
            mdm_api_secrets_release_step),
    mdm_api(MDM_POST, "/v1/enrollments/secrets/release",
            mdm_api_secrets_release_filter_step),

    mdm_api(MDM_GET, "/v1/declaration-status/*",
            mdm_api_status_declarations_step),
    mdm_api(MDM_GET, "/v1/status-errors/*", mdm_api_status_errors_step),
    mdm_api(MDM_GET, "/v1/status-values/*", mdm_api_status_values_step),
    mdm_api(MDM_GET, "/v1/status-report/*", mdm_api_status_report_step),
    mdm_api(MDM_POST, "/v1/status/query", mdm_api_status_query_step),
    mdm_api(MDM_GET, "/v1/status/*", mdm_api_status_get_step),

    mdm_api_acts(MDM_GET|MDM_POST, "/v1/push/*", mdm_api_push_step),
    mdm_api(MDM_PUT, "/v1/pushcert", mdm_api_pushcert_put_step),
    mdm_api(MDM_GET, "/v1/pushcert", mdm_api_pushcert_get_step),
    mdm_api(MDM_DELETE, "/v1/pushcert", mdm_api_pushcert_delete_step),
    mdm_api(MDM_GET, "/v1/pushcerts", mdm_api_pushcert_list_step),
    mdm_api(MDM_POST, "/v1/challenge", mdm_api_challenge_post_step),
    mdm_api(MDM_GET, "/v1/challenges", mdm_api_challenges_step),
    mdm_api(MDM_DELETE, "/v1/challenges/*", mdm_api_challenge_delete_step),

    mdm_api(MDM_POST|MDM_GET, "/v1/enrollment-links", mdm_api_links_step),
    mdm_api(MDM_DELETE, "/v1/enrollment-links/*", mdm_api_link_delete_step),
    mdm_api(MDM_POST, "/v1/enrollment-profiles/*", mdm_api_profile_step),

    mdm_api(MDM_GET, "/v1/certificates", mdm_api_certificates_step),
    mdm_api(MDM_GET, "/v1/certificates/*", mdm_api_certificate_get_step),

    mdm_api(MDM_GET, "/v1/serials", mdm_api_owned_list_step),
    mdm_api(MDM_GET|MDM_PUT|MDM_DELETE, "/v1/serials/*", mdm_api_owned_step),

    mdm_api(MDM_GET, "/v1/setups", mdm_api_setup_list_step),
    mdm_api(MDM_PUT, "/v1/setups/*", mdm_api_setup_put_step),
    mdm_api(MDM_GET, "/v1/setups/*", mdm_api_setup_get_step),
    mdm_api(MDM_DELETE, "/v1/setups/*", mdm_api_setup_delete_step),

    mdm_api(MDM_GET, "/v1/webhooks", mdm_api_webhook_list_step),
    mdm_api(MDM_POST, "/v1/webhooks/*/test", mdm_api_webhook_test_step),
    mdm_api(MDM_POST, "/v1/webhooks/*/replay", mdm_api_webhook_replay_step),
    mdm_api(MDM_DELETE, "/v1/webhooks/*", mdm_api_webhook_delete_step),

    mdm_api(MDM_POST, "/v1/escrowkeyunlock", mdm_api_later_step),

    mdm_api(MDM_GET, "/v1/declarations", mdm_api_declaration_list_step),
    mdm_api(MDM_PUT, "/v1/declarations", mdm_api_declaration_put_step),
    mdm_api(MDM_GET, "/v1/declarations/*", mdm_api_declaration_get_step),
    mdm_api(MDM_DELETE, "/v1/declarations/*",
            mdm_api_declaration_delete_step),
    mdm_api(MDM_POST, "/v1/declarations/*/touch",
            mdm_api_declaration_touch_step),
    mdm_api(MDM_GET, "/v1/sets", mdm_api_set_list_step),
    mdm_api(MDM_GET, "/v1/declaration-sets/*", mdm_api_declaration_sets_step),
    mdm_api(MDM_GET, "/v1/set-declarations/*", mdm_api_set_declarations_step),
    mdm_api(MDM_PUT, "/v1/set-declarations/*", mdm_api_set_put_step),
    mdm_api(MDM_DELETE, "/v1/set-declarations/*", mdm_api_set_delete_step),
    mdm_api(MDM_GET, "/v1/set-filters/*", mdm_api_set_filter_get_step),
    mdm_api(MDM_PUT, "/v1/set-filters/*", mdm_api_set_filter_put_step),
    mdm_api(MDM_DELETE, "/v1/set-filters/*", mdm_api_set_filter_delete_step),
    mdm_api(MDM_GET, "/v1/status-watchers", mdm_api_watcher_list_step),
    mdm_api(MDM_GET, "/v1/status-watchers/*", mdm_api_watcher_get_step),
    mdm_api(MDM_PUT, "/v1/status-watchers/*", mdm_api_watcher_put_step),
    mdm_api(MDM_DELETE, "/v1/status-watchers/*", mdm_api_watcher_delete_step),
    mdm_api(MDM_GET, "/v1/ddm/rollout", mdm_api_rollout_step),
    mdm_api(MDM_GET|MDM_PUT|MDM_DELETE, "/v1/enrollment-sets/*",
            mdm_api_enrollment_sets_step),

    /* both of KMFDDM's forms */

    mdm_api(MDM_DELETE, "/v1/enrollment-sets-all/*",
            mdm_api_enrollment_sets_all_step),
    mdm_api(MDM_DELETE, "/v1/enrollment-sets-all/sets/*",
            mdm_api_enrollment_sets_all_step),

    mdm_api(MDM_GET|MDM_PUT|MDM_DELETE, "/v1/enrollment-tags/*",
            mdm_api_enrollment_tags_step),
    mdm_api(MDM_GET|MDM_PUT|MDM_DELETE, "/v1/enrollment-variables/*",
            mdm_api_enrollment_variables_step),
    mdm_api(MDM_GET, "/v1/enrollment-declarations/*",
            mdm_api_enrollment_declarations_step),
    mdm_api(MDM_GET|MDM_PUT|MDM_DELETE, "/v1/status-subscriptions/*",
            mdm_api_subscription_step),
    mdm_api(MDM_POST, "/v1/notify", mdm_api_notify_step),

    mdm_endpoint_null
};
